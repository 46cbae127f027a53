import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CertificateError, type CertificateErrorCode, ConfigurationError, SpiffeIdError } from '@countersign/spiffe'
import { JwtBundle, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { asObject, readList, readText } from './read-json.ts'
import { craft, createSigner, type Signer, toDocument } from './tokens.ts'

const now = 1_800_000_000_000
const first = createSigner('first')
const second = createSigner('second', 'RSA')
const third = createSigner('third', 'P-384')
const weak = createSigner('weak', 'RSA-1024')

test('JB-1, JB-2: a key is accepted under a bundle that has it, and under no other', async () => {
  assert.equal(await verifyUnder(JwtBundle.parse('saas.example', toDocument(second))), 'key_unknown')
  assert.equal(await verifyUnder(JwtBundle.parse('saas.example', toDocument(second, first))), 'ok')
})

test('JB-4: the key is chosen by kid among three', async () => {
  const bundle = JwtBundle.parse('saas.example', toDocument(second, third, first))

  assert.deepEqual(bundle.keyIds, ['second', 'third', 'first'])
  assert.equal(await verifyUnder(bundle), 'ok')
})

for (const use of ['x509-svid', 'wit-svid', 'sig', 'JWT-SVID', 'jwt-svid ', '', 1, null]) {
  test(`JB-5: a key for ${JSON.stringify(use)} is not a JWT authority, and the others stay in use`, async () => {
    const document = { keys: [{ ...first.jwk, use }, second.jwk] }
    const bundles = [
      JwtBundle.parse('saas.example', document),
      JwtBundle.fromWorkloadApi('saas.example', JSON.stringify(document)),
    ]
    for (const bundle of bundles) {
      assert.deepEqual(bundle.keyIds, ['second'])
      assert.deepEqual(bundle.faults, [])
      assert.equal(await verifyUnder(bundle), 'key_unknown')
    }
  })
}

test('JB-5: a key without use counts only in what the Workload API delivers, because SPIRE sends none', async () => {
  const { use: _, ...jwk } = first.jwk
  const document = JSON.stringify({ keys: [jwk] })

  assert.equal(await verifyUnder(JwtBundle.parse('saas.example', document)), 'key_unknown')
  assert.equal(await verifyUnder(JwtBundle.fromWorkloadApi('saas.example', document)), 'ok')
  assert.equal(await verifyUnder(JwtBundle.fromWorkloadApi('saas.example', Buffer.from(document))), 'ok')
})

test('JB-6: keys of unknown or unsuitable types are ignored without a fault', async () => {
  const others = [
    { kty: 'unknown', kid: 'a', use: 'jwt-svid' },
    { kty: 'oct', k: 'AAAA', kid: 'b', use: 'jwt-svid' },
    { kid: 'c', use: 'jwt-svid' },
    { kty: 'ec', kid: 'd', use: 'jwt-svid' },
    createSigner('e', 'Ed25519'),
  ]
  const bundle = JwtBundle.parse('saas.example', toDocument(...others, first))

  assert.deepEqual(bundle.keyIds, ['first'])
  assert.deepEqual(bundle.faults, [])
  assert.equal(await verifyUnder(bundle), 'ok')
})

test('JB-7: a bundle without keys proves no one', async () => {
  const empty = [
    JwtBundle.parse('saas.example', '{"keys":[]}'),
    JwtBundle.fromWorkloadApi('saas.example', '{"keys":[]}'),
    JwtBundle.fromWorkloadApi('saas.example', Buffer.alloc(0)),
  ]
  for (const bundle of empty) assert.equal(await verifyUnder(bundle), 'key_unknown')
})

test('the rows about bundles are covered by the tests of this file and of the Workload API', () => {
  const vectors = asObject(JSON.parse(readFileSync(new URL('../vectors/jwt-svid-cases.json', import.meta.url), 'utf8')))
  const ids = readList(vectors['bundles']).map((row) => readText(asObject(row)['id']).split('/')[0])

  assert.deepEqual([...new Set(ids)], ['JB-1', 'JB-2', 'JB-3', 'JB-4', 'JB-5', 'JB-6', 'JB-7', 'JB-8'])
})

const { kid: _, ...nameless } = first.jwk
const unusable: readonly (readonly [name: string, jwk: object, code: CertificateErrorCode])[] = [
  ['without kid', nameless, 'key_malformed'],
  ['with an empty kid', { ...first.jwk, kid: '' }, 'key_malformed'],
  ['with a kid that is a number', { ...first.jwk, kid: 1 }, 'key_malformed'],
  ['RSA with 1024 bits', weak.jwk, 'authority_unusable'],
  ['RSA with the exponent 1', { ...second.jwk, e: 'AQ' }, 'authority_unusable'],
  ['RSA with 16384 bits', { ...second.jwk, n: Buffer.alloc(2048, 0xff).toString('base64url') }, 'authority_unusable'],
  ['a point off the curve', { ...first.jwk, y: first.jwk.x }, 'key_malformed'],
  ['without coordinates', { kty: 'EC', crv: 'P-256', kid: 'x', use: 'jwt-svid' }, 'key_malformed'],
  ['an unknown curve', { ...first.jwk, crv: 'P-257' }, 'key_malformed'],
  ['for a symmetric algorithm', { ...first.jwk, alg: 'HS256' }, 'key_unsupported'],
  ['for encryption', { ...second.jwk, alg: 'RSA-OAEP' }, 'key_unsupported'],
  ['a private key', { ...first.privateKey.export({ format: 'jwk' }), kid: 'x', use: 'jwt-svid' }, 'key_malformed'],
]

for (const [name, jwk, code] of unusable) {
  test(`leaves out a key ${name}, and reports it`, () => {
    const bundle = JwtBundle.parse('saas.example', { keys: [jwk, third.jwk] })

    assert.deepEqual(bundle.keyIds, ['third'])
    assert.deepEqual(
      bundle.faults.map((fault) => [fault.trustDomain, fault.code, fault.detail.startsWith('keys[0]: ')]),
      [['saas.example', code, true]],
    )
    assert.throws(
      () => JwtBundle.parse('saas.example', { keys: [jwk] }),
      (error) => hasCode(error, code),
    )
    assert.deepEqual(JwtBundle.fromWorkloadApi('saas.example', JSON.stringify({ keys: [jwk] })).keyIds, [])
  })
}

const malformed: readonly (readonly [text: string, code: CertificateErrorCode])[] = [
  ['', 'bundle_malformed'],
  ['[]', 'bundle_malformed'],
  ['{}', 'bundle_malformed'],
  ['{"keys":null}', 'bundle_malformed'],
  ['{"keys":[1]}', 'bundle_malformed'],
  ['{"keys":[],"keys":[]}', 'bundle_malformed'],
  ['{"keys":[{"kid":"a","kid":"b"}]}', 'bundle_malformed'],
  [`{"keys":[],"a":"${'x'.repeat(2 ** 20)}"}`, 'bundle_too_large'],
]

for (const [text, code] of malformed) {
  test(`refuses the document ${text.slice(0, 40)}`, () => {
    assert.throws(
      () => JwtBundle.parse('saas.example', text),
      (error) => hasCode(error, code),
    )
    if (text !== '')
      assert.throws(
        () => JwtBundle.fromWorkloadApi('saas.example', text),
        (error) => hasCode(error, code),
      )
  })
}

test('refuses more than 256 authorities', () => {
  const keys = (count: number): object => ({ keys: Array.from({ length: count }, () => first.jwk) })

  assert.equal(JwtBundle.parse('saas.example', keys(256)).keyIds.length, 256)
  assert.throws(
    () => JwtBundle.parse('saas.example', keys(257)),
    (error) => hasCode(error, 'bundle_too_large'),
  )
})

test('refuses inputs of other types, and invalid trust domains', () => {
  const parse: unknown = Reflect.get(JwtBundle, 'parse')
  assert.ok(typeof parse === 'function')
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  for (const input of [undefined, null, 1, [], new Map(), cyclic, Promise.resolve('{}')]) {
    assert.throws(() => Reflect.apply(parse, JwtBundle, ['saas.example', input]), ConfigurationError)
  }
  assert.throws(() => JwtBundle.parse('SAAS.example', '{"keys":[]}'), SpiffeIdError)
})

test('the fingerprint depends only on the usable keys', () => {
  const parse = (...all: readonly Signer[]): string => JwtBundle.parse('saas.example', toDocument(...all)).fingerprint

  assert.equal(parse(first, second), parse(first, weak, second))
  assert.notEqual(parse(first, second), parse(first))
  assert.notEqual(parse(first), parse(rename(first, 'other')))
  assert.notEqual(parse(first), JwtBundle.parse('partner.example', toDocument(first)).fingerprint)
})

async function verifyUnder(bundle: JwtBundle): Promise<string> {
  const claims = { sub: 'spiffe://saas.example/sa/core-api', aud: 'billing', exp: now / 1000 + 60 }
  const token = craft({ alg: 'ES256', kid: 'first' }, claims, first.privateKey)
  const options = { bundles: new Map([[bundle.trustDomain, bundle]]), audiences: ['billing'], now }
  const verdict = await verifyJwtSvid(token, options)
  return verdict.ok ? 'ok' : verdict.reason
}

function rename(signer: Signer, kid: string): Signer {
  return { ...signer, jwk: { ...signer.jwk, kid } }
}

function hasCode(error: unknown, code: CertificateErrorCode): boolean {
  return error instanceof CertificateError && error.code === code
}
