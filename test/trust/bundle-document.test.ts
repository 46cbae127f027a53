import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateError, type CertificateErrorCode, createMaterial, X509Bundle } from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { createJwk, readBundleVectors, toBase64, toDocument } from './bundle-documents.ts'

const key = await createKey()
const authority = await createAuthority('saas.example', { key })
const other = await createAuthority('saas.example', { key, name: 'other' })
const x5c = [toBase64(authority)]
const jwk = createJwk(x5c)

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

const rows = (await readBundleVectors()).filter(({ input }) => !input.includes('trust_domains'))

for (const { input, verdict, reason } of rows) {
  test(`${verdict}: ${input || 'no text'} (${reason})`, () => {
    if (verdict.startsWith('reject')) assert.throws(() => parse(input), CertificateError)
    else assert.deepEqual(parse(input).authorities, [])
  })
}

test('covers every row about a bundle', () => {
  assert.equal(rows.length, 12)
})

test('reads the authorities of a document from text and bytes, in order', () => {
  const document = toDocument(jwk(), jwk({ x5c: [toBase64(other)] }))
  for (const text of [document, `\r\n\t ${document}\n`, `\uFEFF${document}`]) {
    for (const input of [text, Buffer.from(text), new Uint8Array(Buffer.from(text))]) {
      const bundle = parse(input)
      assert.equal(bundle.trustDomain, 'saas.example')
      assert.deepEqual(
        bundle.authorities.map(({ der }) => der.toString('base64')),
        [toBase64(authority), toBase64(other)],
      )
    }
  }
})

test('equals a bundle from PEM, with or without sequence number and refresh hint', () => {
  const { fingerprint } = parse(authority.bundlePem)
  const numbered = JSON.stringify({ spiffe_sequence: 7, spiffe_refresh_hint: 60, keys: [jwk()] })
  assert.equal(parse(toDocument(jwk())).fingerprint, fingerprint)
  assert.equal(parse(numbered).fingerprint, fingerprint)
})

test('reads an authority of every known key type', () => {
  for (const kty of ['EC', 'RSA', 'OKP']) assert.equal(parse(toDocument(jwk({ kty }))).authorities.length, 1, kty)
})

test('ignores an entry of an unknown or missing key type or use, and keeps the others', () => {
  const ignored: readonly Readonly<Record<string, unknown>>[] = [
    { use: undefined },
    { use: null },
    { use: 1 },
    { use: ['x509-svid'] },
    { use: '' },
    { use: 'tls' },
    { use: 'sig' },
    { use: 'X509-SVID' },
    { use: 'x509-svid ' },
    { use: 'jwt-svid', kid: 'k1' },
    { use: 'wit-svid', kid: 'k2' },
    { kty: undefined },
    { kty: null },
    { kty: 7 },
    { kty: 'ec' },
    { kty: 'oct' },
    { kty: 'AKP' },
    { x5c: undefined },
    { x5c: [] },
  ]
  for (const changes of ignored) {
    assert.deepEqual(parse(toDocument(jwk(changes))).authorities, [], JSON.stringify(changes))
    assert.equal(parse(toDocument(jwk(changes), jwk())).authorities.length, 1, JSON.stringify(changes))
  }
})

test('does not decode the certificates of ignored entries', () => {
  const broken = ['no certificate']
  assert.equal(parse(toDocument(jwk({ use: 'jwt-svid', x5c: broken }), jwk())).authorities.length, 1)
  assert.equal(parse(toDocument(jwk({ kty: 'AKP', x5c: broken }), jwk())).authorities.length, 1)
})

test('uses only the first certificate of an entry', () => {
  for (const more of [toBase64(other), 'no certificate', null]) {
    const { authorities } = parse(toDocument(jwk({ x5c: [...x5c, more] })))
    assert.deepEqual(
      authorities.map(({ der }) => der.toString('base64')),
      x5c,
    )
  }
})

test('ignores unknown members, including a key id', () => {
  const document = JSON.stringify({ keys: [jwk({ kid: 'k', alg: 'none', ext: { deep: [1.5, null] } })], more: {} })
  assert.equal(parse(document).authorities.length, 1)
})

test('rejects input that is not a bundle document', () => {
  const key = JSON.stringify(jwk())
  const malformed = [
    '{"keys":{}}',
    '{"keys":""}',
    '{"keys":0}',
    `{"keys":${key}}`,
    `{"Keys":[${key}]}`,
    `{"keys":[null,${key}]}`,
    `{"keys":[[${key}]]}`,
    '{"keys":["x509-svid"]}',
    ...[null, 'AAAA', {}, 1, true].map((wrong) => toDocument(jwk({ x5c: wrong }))),
    ...[null, {}, 1, [x5c]].map((wrong) => toDocument(jwk({ x5c: [wrong] }))),
  ]
  for (const input of malformed) refuses(input, 'bundle_malformed')
})

test('rejects a document of more than 4096 authorities, even if they are duplicates or invalid', () => {
  const copies = (count: number, text: string): string =>
    toDocument(...Array.from({ length: count }, () => ({ kty: 'EC', use: 'x509-svid', x5c: [text] })))
  refuses(copies(4097, 'MAA='), 'bundle_too_large')
  refuses(copies(4097, '='), 'bundle_too_large')
  refuses(copies(4096, 'MAA='), 'certificate_malformed')
})

test('leaves out an authority that cannot be read, names its place, and keeps the others', () => {
  const [good = ''] = x5c
  const der = authority.certificateDer
  const broken: readonly (readonly [string, CertificateErrorCode])[] = [
    ['', 'certificate_malformed'],
    ['AAAA', 'certificate_malformed'],
    [`${good}\n`, 'certificate_malformed'],
    [` ${good}`, 'certificate_malformed'],
    [good.slice(0, -4), 'certificate_malformed'],
    [der.subarray(0, -1).toString('base64'), 'certificate_malformed'],
    [Buffer.from(authority.bundlePem).toString('base64'), 'certificate_malformed'],
    [Buffer.concat([der, other.certificateDer]).toString('base64'), 'certificate_trailing_bytes'],
    [Buffer.concat([der, Buffer.of(0)]).toString('base64'), 'certificate_trailing_bytes'],
  ]
  for (const [certificate, code] of broken) {
    const entry = jwk({ x5c: [certificate] })
    const { authorities, faults } = parse(toDocument(jwk(), entry))
    assert.deepEqual(
      authorities.map((each) => each.der.toString('base64')),
      x5c,
    )
    assert.deepEqual(
      faults.map((fault) => fault.code),
      [code],
    )
    assert.match(faults[0]?.detail ?? '', /^keys\[1\]\.x5c\[0\]: /)
    refuses(toDocument(entry), code)
  }
})

test('rejects base64url and base64 without padding', async () => {
  const names = Array.from({ length: 16 }, (_, index) => 'x'.repeat(index + 1))
  const candidates = await Promise.all(names.map((name) => createAuthority('saas.example', { key, name })))
  const encoded = candidates.map(toBase64).find((text) => text.endsWith('=') && /[+/]/.test(text))
  assert.ok(encoded)
  assert.equal(parse(toDocument(jwk({ x5c: [encoded] }))).authorities.length, 1)
  refuses(toDocument(jwk({ x5c: [encoded.replace(/=+$/, '')] })), 'certificate_malformed')
  refuses(toDocument(jwk({ x5c: [encoded.replaceAll('+', '-').replaceAll('/', '_')] })), 'certificate_malformed')
})

test('leaves out an authority that is not a CA, may not sign certificates or has a weak key', async () => {
  for (const fault of ['not_a_ca', 'no_key_cert_sign', 'weak_key'] as const) {
    const faulty = jwk({ x5c: [toBase64(await createAuthority('saas.example', { faults: [fault] }))] })
    refuses(toDocument(faulty), 'authority_unusable')
    const { authorities, faults } = parse(toDocument(jwk(), faulty))
    assert.equal(authorities.length, 1)
    assert.deepEqual(
      faults.map(({ code }) => code),
      ['authority_unusable'],
    )
  }
})

test('keeps the exact sequence number, whatever its size', () => {
  const sequences: readonly (readonly [string, bigint | undefined])[] = [
    ['0', 0n],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['"7"', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['null', undefined],
  ]
  for (const [text, sequence] of sequences) {
    assert.equal(parse(`{"spiffe_sequence":${text},"keys":[]}`).sequence, sequence, text)
  }
  assert.equal(parse('{"keys":[]}').sequence, undefined)
  assert.equal(parse(authority.bundlePem).sequence, undefined)
})

test('returns a refresh hint of at least a second, and none that cannot be followed', () => {
  const hints: readonly (readonly [string, number | undefined])[] = [
    ['300', 300],
    ['1', 1],
    ['0', 1],
    ['-0', 1],
    ['-5', undefined],
    ['0.5', undefined],
    ['"300"', undefined],
    ['true', undefined],
    ['[300]', undefined],
    ['9007199254740993', undefined],
    ['1e400', undefined],
  ]
  for (const [text, hint] of hints) {
    assert.equal(parse(`{"spiffe_refresh_hint":${text},"keys":[]}`).refreshHintSeconds, hint, text)
  }
  assert.equal(parse('{"keys":[]}').refreshHintSeconds, undefined)
  assert.equal(parse(authority.bundlePem).refreshHintSeconds, undefined)
})

test('counts equal authorities once, and rejects more than 512 different ones before decoding any', () => {
  const entries = Array.from({ length: 513 }, (_, index) => jwk({ x5c: [Buffer.from(`${index}`).toString('base64')] }))
  refuses(toDocument(jwk(), ...entries.slice(1)), 'bundle_too_large')
  assert.equal(parse(toDocument(jwk(), ...entries.slice(2))).authorities.length, 1)
  assert.equal(parse(toDocument(...Array.from({ length: 800 }, () => jwk()))).authorities.length, 1)
  assert.equal(parse(toDocument(...Array.from({ length: 600 }, () => jwk({ use: 'jwt-svid' })))).authorities.length, 0)
})

test('an empty document makes an empty bundle, under which no peer is verified', async () => {
  const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
  const own = { key: svid.keyPem, cert: svid.certificatePem }

  const material = createMaterial({
    ...own,
    bundles: { 'saas.example': toDocument(jwk()), 'partner.example': Buffer.from('{"keys":[]}') },
  })
  assert.deepEqual(material.bundles.get('partner.example')?.authorities, [])
  assert.throws(() => createMaterial({ ...own, bundles: { 'saas.example': '{"keys":[]}' } }), CertificateError)
})

test('is immutable after it was read from a document', () => {
  const bundle = parse(toDocument(jwk()))
  assert.equal(Reflect.set(bundle, 'sequence', 1n), false)
  assert.equal(Reflect.set(bundle.authorities, 1, bundle.authorities[0]), false)
  assert.equal(Reflect.set(parse('{"keys":[]}').authorities, 0, bundle.authorities[0]), false)
})
