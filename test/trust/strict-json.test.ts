import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateError, type CertificateErrorCode, X509Bundle } from '@countersign/core'
import * as fc from 'fast-check'

const jwk = { kty: 'EC', use: 'jwt-svid', x5c: ['AAAA'] }

function parse(input: string | Uint8Array): X509Bundle {
  return X509Bundle.parse('saas.example', input)
}

function refuses(input: string | Uint8Array, code: CertificateErrorCode): void {
  assert.throws(
    () => parse(input),
    (error) => error instanceof CertificateError && error.code === code,
    `${code}: ${input.slice(0, 200).toString()}`,
  )
}

test('rejects a duplicate name in an object, at any depth and in any spelling', () => {
  const key = JSON.stringify(jwk)
  const repeated = [
    `{"keys":[],"keys":[]}`,
    `{"keys":[${key}],"keys":[]}`,
    `{"keys":[],"k\\u0065ys":[]}`,
    `{"spiffe_sequence":1,"spiffe_sequence":1,"keys":[]}`,
    `{"keys":[{"use":"jwt-svid",${key.slice(1)}]}`,
    `{"keys":[],"more":[{"deep":{"a":1,"b":2,"a":1}}]}`,
    `{"keys":[],"__proto__":1,"__proto__":1}`,
  ]
  for (const input of repeated) refuses(input, 'bundle_malformed')
  assert.deepEqual(parse('{"keys":[],"a":{"a":[{"a":1},{"a":1}]}}').authorities, [])
})

test('treats names that objects inherit as ordinary names', () => {
  const inherited = `{"__proto__":{"keys":[${JSON.stringify(jwk)}]}}`
  refuses(inherited, 'bundle_malformed')
  const use = '"__proto__":{"use":"x509-svid"},"constructor":{"prototype":{"use":"x509-svid"}}'
  assert.deepEqual(parse(`{"keys":[{${use},"kty":"EC","x5c":["AAAA"]}]}`).authorities, [])
  assert.equal(Object.hasOwn(Object.prototype, 'use'), false)
})

test('limits the text, the depth and the numbers', () => {
  const empty = '{"keys":[],"fill":""}'.length
  const fill = (length: number): string => `{"keys":[],"fill":"${'x'.repeat(length - empty)}"}`
  assert.deepEqual(parse(fill(1024 * 1024)).authorities, [])
  refuses(fill(1024 * 1024 + 1), 'bundle_too_large')
  refuses(Buffer.from(fill(1024 * 1024 + 1)), 'bundle_too_large')
  refuses(`{"keys":[],"fill":"${'ä'.repeat(600_000)}"}`, 'bundle_too_large')

  const list = (length: number): string => `{"keys":[],"more":[${Array.from({ length }, () => '1').join()}]}`
  assert.deepEqual(parse(list(65_533)).authorities, [])
  refuses(list(65_534), 'bundle_too_large')

  const nest = (levels: number): string => `{"keys":[],"more":${'['.repeat(levels)}${']'.repeat(levels)}}`
  assert.deepEqual(parse(nest(63)).authorities, [])
  refuses(nest(64), 'bundle_malformed')
  refuses(nest(400_000), 'bundle_malformed')
  refuses(`{"keys":[],"more":${'{"a":'.repeat(150_000)}0${'}'.repeat(150_000)}}`, 'bundle_malformed')

  assert.equal(parse(`{"keys":[],"spiffe_sequence":${'9'.repeat(64)}}`).sequence, 10n ** 64n - 1n)
  refuses(`{"keys":[],"spiffe_sequence":${'9'.repeat(65)}}`, 'bundle_malformed')
})

test('rejects bytes that are not UTF-8', () => {
  refuses(Buffer.from('{"keys":[],"more":"\xff"}', 'latin1'), 'bundle_malformed')
  refuses(Buffer.from('{"keys":[],"more":"\xc0\xaf"}', 'latin1'), 'bundle_malformed')
})

test('rejects comments, trailing commas and everything else outside of JSON', () => {
  const wrong = [
    '{"keys":[]} {}',
    '{"keys":[],}',
    '{"keys":[,]}',
    '{"keys":[] // none\n}',
    '{/**/"keys":[]}',
    "{'keys':[]}",
  ]
  for (const input of [...wrong, '{', '{"keys":[', '{"keys":[]', '{keys:[]}', '{"keys":[]}\0']) {
    refuses(input, 'bundle_malformed')
  }
})

const edits = Array.from(' \t\n\r\v\f\0{}[],:"\\/*-+.eE019ntfu\u00a0\u2028\ufeff')

test('agrees with JSON.parse on what is JSON', () => {
  const { value } = fc.letrec<{ readonly value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 3 }),
      // At most one name, so that no edit creates a duplicate name, which is valid for JSON.parse.
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 1 }),
    ),
  }))
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.integer({ min: 0, max: 2 }),
    insert: fc.constantFrom('', ...edits),
  })
  fc.assert(
    fc.property(value, edit, fc.constantFrom(undefined, 1), (more, { at, remove, insert }, space) => {
      const text = JSON.stringify(more, undefined, space)
      const start = at % (text.length + 1)
      const input = `{"keys":[],"more":${text.slice(0, start)}${insert}${text.slice(start + remove)}}`
      assert.equal(isAccepted(parse, input), isAccepted(JSON.parse, input), input)
    }),
    { numRuns: 2000 },
  )
})

function isAccepted(read: (input: string) => unknown, input: string): boolean {
  try {
    read(input)
    return true
  } catch (error) {
    assert.ok(error instanceof SyntaxError || (error instanceof CertificateError && error.code === 'bundle_malformed'))
    return false
  }
}
