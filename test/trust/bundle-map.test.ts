import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CertificateError,
  type CertificateErrorCode,
  createMaterial,
  parseBundleMap,
  SpiffeIdError,
  type SpiffeIdErrorCode,
  X509Bundle,
} from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import { createJwk, readBundleVectors, toBase64 } from './bundle-documents.ts'

const ours = await createAuthority('saas.example')
const theirs = await createAuthority('partner.example')

function toBundle(authority: Authority): object {
  return { keys: [createJwk([toBase64(authority)])()] }
}

function refuses(input: string | Uint8Array, code: CertificateErrorCode): void {
  assert.throws(
    () => parseBundleMap(input),
    (error) => error instanceof CertificateError && error.code === code,
    `${code}: ${input.slice(0, 200).toString()}`,
  )
}

const rows = (await readBundleVectors()).filter(({ input }) => input.includes('trust_domains'))

for (const { input, verdict, reason } of rows) {
  test(`${verdict}: ${input} (${reason})`, () => {
    if (verdict === 'reject') refuses(input, 'bundle_malformed')
    else assert.equal(parseBundleMap(input).size, 0)
  })
}

test('covers every row about a bundle map', () => {
  assert.equal(rows.length, 2)
})

test('reads the bundle of each trust domain from text and bytes', () => {
  const document = { trust_domains: { 'saas.example': toBundle(ours), 'partner.example': toBundle(theirs) }, more: 1 }
  const text = JSON.stringify(document)
  for (const input of [text, Buffer.from(text), `\uFEFF${text}`]) {
    const bundles = parseBundleMap(input)
    assert.deepEqual([...bundles.keys()], ['saas.example', 'partner.example'])
    for (const { trustDomain, bundlePem } of [ours, theirs]) {
      const bundle = bundles.get(trustDomain)
      assert.ok(bundle instanceof X509Bundle)
      assert.equal(bundle.trustDomain, trustDomain)
      assert.equal(bundle.fingerprint, X509Bundle.parse(trustDomain, bundlePem).fingerprint)
    }
  }
})

test('keeps sequence number and refresh hint with their bundle', () => {
  const bundles = parseBundleMap(
    '{"trust_domains":{"a.test":{"keys":[],"spiffe_sequence":9007199254740993,"spiffe_refresh_hint":0},"b.test":{"keys":[]}}}',
  )
  const facts = [...bundles.values()].map(({ trustDomain, sequence, refreshHintSeconds, authorities }) => {
    return [trustDomain, sequence, refreshHintSeconds, authorities.length]
  })
  assert.deepEqual(facts, [
    ['a.test', 9_007_199_254_740_993n, 1, 0],
    ['b.test', undefined, undefined, 0],
  ])
})

test('returns bundles that a source accepts', async () => {
  const svid = await ours.issue('spiffe://saas.example/ns/production/sa/core-api')
  const bundles = parseBundleMap(JSON.stringify({ trust_domains: { 'saas.example': toBundle(ours) } }))
  const material = createMaterial({
    key: svid.keyPem,
    cert: svid.certificatePem,
    bundles: Object.fromEntries(bundles),
  })
  assert.equal(material.bundles.get('saas.example'), bundles.get('saas.example'))
})

test('rejects input that is not a bundle map', () => {
  const malformed = [
    '',
    '{',
    'null',
    '[]',
    '"trust_domains"',
    '{}',
    '{"keys":[]}',
    '{"Trust_domains":{}}',
    '{"__proto__":{"trust_domains":{}}}',
    ...['null', '[]', '""', '0', 'true'].map((wrong) => `{"trust_domains":${wrong}}`),
    ...['null', '[]', '""', '0', 'true', '{}', '{"keys":null}'].map((wrong) => `{"trust_domains":{"a.test":${wrong}}}`),
  ]
  for (const input of malformed) refuses(input, 'bundle_malformed')
})

test('rejects a duplicate name, including two spellings of a trust domain', () => {
  const repeated = [
    '{"trust_domains":{},"trust_domains":{}}',
    '{"trust_domains":{"a.test":{"keys":[]},"b.test":{"keys":[]},"a.test":{"keys":[]}}}',
    '{"trust_domains":{"a.test":{"keys":[]},"\\u0061.test":{"keys":[]}}}',
    '{"trust_domains":{"a.test":{"keys":[]},"spiffe://a.test":{"keys":[]}}}',
    '{"trust_domains":{"a.test":{"keys":[],"keys":[]}}}',
    '{"trust_domains":{"__proto__":{"keys":[]},"__proto__":{"keys":[]}}}',
  ]
  for (const input of repeated) refuses(input, 'bundle_malformed')
})

test('rejects an invalid trust domain name', () => {
  const names: readonly (readonly [string, SpiffeIdErrorCode])[] = [
    ['', 'missing_trust_domain'],
    ['A.test', 'bad_trust_domain_char'],
    ['a.test:443', 'bad_trust_domain_char'],
    ['https://a.test', 'bad_scheme'],
    ['a'.repeat(256), 'trust_domain_too_long'],
  ]
  for (const [name, code] of names) {
    assert.throws(
      () => parseBundleMap(JSON.stringify({ trust_domains: { [name]: { keys: [] } } })),
      (error) => error instanceof SpiffeIdError && error.code === code,
      name,
    )
  }
})

test('treats names that objects inherit as ordinary trust domains', () => {
  const bundles = parseBundleMap('{"trust_domains":{"__proto__":{"keys":[]},"constructor":{"keys":[]}}}')
  assert.deepEqual([...bundles.keys()], ['__proto__', 'constructor'])
  assert.equal(parseBundleMap('{"trust_domains":{}}').get('constructor'), undefined)
})

test('a rejected bundle authenticates no caller, is reported, and does not affect the others', () => {
  const keys = (...x5c: readonly unknown[]): object => ({ keys: x5c.map((each) => createJwk([each])()) })
  for (const [broken, code] of [
    [keys('AAAA'), 'certificate_malformed'],
    [{ keys: null }, 'bundle_malformed'],
    [null, 'bundle_malformed'],
    [keys(...Array.from({ length: 513 }, (_, index) => `${index}`)), 'bundle_too_large'],
  ] as const) {
    const bundles = parseBundleMap(
      JSON.stringify({ trust_domains: { 'partner.example': broken, 'saas.example': toBundle(ours) } }),
    )
    assert.deepEqual([...bundles.keys()], ['partner.example', 'saas.example'])
    assert.equal(bundles.get('saas.example')?.authorities.length, 1)
    const partner = bundles.get('partner.example')
    assert.deepEqual(partner?.authorities, [])
    assert.deepEqual(
      partner.faults.map((fault) => [fault.trustDomain, fault.code]),
      [['partner.example', code]],
    )
  }
})

test('a bundle with invalid JSON authenticates no caller and does not affect the others', () => {
  const good = JSON.stringify(toBundle(ours))
  const broken: readonly (readonly [json: string, code: CertificateErrorCode])[] = [
    ['{"keys":[],"keys":[]}', 'bundle_malformed'],
    ['{"keys":[}]', 'bundle_malformed'],
    ['{"keys":[],}', 'bundle_malformed'],
    [`{"keys":[],"more":${'['.repeat(70)}${']'.repeat(70)}}`, 'bundle_malformed'],
    [`{"keys":[],"spiffe_sequence":${'9'.repeat(65)}}`, 'bundle_malformed'],
    [`{"keys":[],"fill":"${'x'.repeat(1024 * 1024)}"}`, 'bundle_too_large'],
    [`{"keys":[${'1,'.repeat(70_000)}1]}`, 'bundle_too_large'],
    ['"text"', 'bundle_malformed'],
  ]
  for (const [json, code] of broken) {
    const text = `{"trust_domains": { "a.test": ${json} , "saas.example":${good}},"more":{"deep":{"er":[1]}}}`
    if (json === '{"keys":[}]') {
      // Its end is ambiguous.
      refuses(text, code)
      continue
    }
    const bundles = parseBundleMap(text)
    assert.equal(bundles.get('saas.example')?.authorities.length, 1, json.slice(0, 40))
    assert.deepEqual(
      bundles.get('a.test')?.faults.map((fault) => fault.code),
      [code],
      json.slice(0, 40),
    )
  }
})

test('reads strings with brackets, quotes and backslashes, in names and in bundles', () => {
  const bundle = { ...toBundle(ours), 'a"}]{[\\': ['\\"', ']}', '\\\\'] }
  const bundles = parseBundleMap(JSON.stringify({ '{[\\"': 1, trust_domains: { 'saas.example': bundle } }))
  assert.equal(bundles.get('saas.example')?.authorities.length, 1)
})

test('does not assign text to the bundle of another trust domain', () => {
  const texts = ['0', '\u0000', '\u00000', ' 0', 'saas.example']
  for (const text of texts) {
    const bundles = parseBundleMap(
      JSON.stringify({ trust_domains: { 'a.test': text, 'saas.example': toBundle(ours) } }),
    )
    assert.deepEqual(bundles.get('a.test')?.authorities, [])
  }
})

test('rejects invalid JSON around the bundles', () => {
  for (const text of [
    '{"trust_domains":{"a.test":{"keys":[]}}',
    '{"trust_domains":{"a.test":{"keys":[]}}}}',
    '{"trust_domains":{"a.test":{"keys":[]}},}',
    '{"trust_domains":{"a.test":{"keys":[]},}}',
    '{"trust_domains":{"a.test":{"keys":[]} "b.test":{"keys":[]}}}',
    '{"trust_domains":{"a.test":{"keys":[]}},"more":{"deep":{"a":1,"a":2}}}',
    '{"trust_domains":{"a.test":{"keys":[]}}} x',
    '{"trust_domains":{"a.test":{"keys":["}}}',
  ]) {
    refuses(text, 'bundle_malformed')
  }
})

test('rejects a map without any usable bundle, and names the first', () => {
  const broken = { keys: [{ kty: 'EC', use: 'x509-svid', x5c: ['AAAA'] }] }
  const input = JSON.stringify({ trust_domains: { 'saas.example': broken, 'partner.example': broken } })
  assert.throws(
    () => parseBundleMap(input),
    (error) =>
      error instanceof CertificateError && error.code === 'certificate_malformed' && error.value === 'saas.example',
  )
})

test('limits the size of the text', () => {
  refuses(JSON.stringify({ trust_domains: {}, fill: 'x'.repeat(1024 * 1024) }), 'bundle_too_large')
  const fill = 'x'.repeat(1024 * 1024 - 100)
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`${index}.test`, { keys: [], fill }]))
  const { '8.test': _, ...eight } = many
  assert.equal(parseBundleMap(JSON.stringify({ trust_domains: eight })).size, 8)
  refuses(JSON.stringify({ trust_domains: many }), 'bundle_too_large')
})
