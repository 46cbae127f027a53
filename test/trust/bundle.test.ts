import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { CertificateError, type CertificateErrorCode, SpiffeIdError, X509Bundle } from '@countersign/core'
import { type Authority, createAuthority, createKey } from '@countersign/testkit'
import { issueMany } from './many-authorities.ts'

const key = await createKey()
const authority = await createAuthority('saas.example', { key })

function refuses(input: string | Uint8Array, code: CertificateErrorCode): void {
  assert.throws(
    () => X509Bundle.parse('saas.example', input),
    (error) => error instanceof CertificateError && error.code === code,
    code,
  )
}

async function createAuthorities(count: number): Promise<readonly Authority[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => createAuthority('saas.example', { key, name: `${index}` })),
  )
}

const joinPem = (authorities: readonly Authority[]): string => authorities.map(({ bundlePem }) => bundlePem).join('')
const joinDer = (authorities: readonly Authority[]): Buffer =>
  Buffer.concat(authorities.map(({ certificateDer }) => certificateDer))

const fingerprint = (name: string, ...authorities: readonly Authority[]) =>
  X509Bundle.parse(name, joinPem(authorities)).fingerprint

test('reads the authorities of a trust domain from PEM, from PEM bytes and from concatenated DER', async () => {
  const both = [authority, await createAuthority('saas.example')]
  for (const input of [joinPem(both), Buffer.from(joinPem(both)), joinDer(both)]) {
    const bundle = X509Bundle.parse('saas.example', input)
    assert.equal(bundle.trustDomain, 'saas.example')
    assert.deepEqual(
      bundle.authorities.map(({ der }) => der.toString('hex')),
      both.map(({ certificateDer }) => certificateDer.toString('hex')),
    )
  }
})

test('also accepts a SPIFFE ID as the name of the trust domain, and rejects an invalid one', () => {
  assert.equal(X509Bundle.parse('spiffe://saas.example', authority.bundlePem).trustDomain, 'saas.example')
  for (const name of ['', 'Saas.example', 'saas.example:443', 'spiffe://']) {
    assert.throws(
      () => X509Bundle.parse(name, authority.bundlePem),
      (error) => error instanceof SpiffeIdError,
    )
  }
})

test('rejects a bundle without any authority', () => {
  refuses('', 'bundle_empty')
  refuses(new Uint8Array(), 'bundle_empty')
  refuses('# no certificate here\n', 'bundle_empty')
  refuses(authority.keyPem, 'bundle_empty')
})

test('rejects a bundle in which the end of a certificate is ambiguous', () => {
  refuses(`${authority.bundlePem}-----BEGIN CERTIFICATE-----\n`, 'certificate_malformed')
  refuses(authority.certificateDer.subarray(0, -1), 'certificate_malformed')
  refuses(Buffer.concat([authority.certificateDer, authority.certificateDer.subarray(0, -1)]), 'certificate_malformed')
  refuses(Buffer.concat([authority.certificateDer, Buffer.of(0)]), 'certificate_trailing_bytes')
})

test('leaves out a certificate that cannot be read, in PEM and DER, reports it, and keeps the others', async () => {
  const other = await createAuthority('saas.example')
  const junk = Buffer.concat([Buffer.of(0x30, 0x81, 0x80), Buffer.alloc(128)])
  const broken = Buffer.from(other.certificateDer)
  broken.writeUInt8(broken.readUInt8(4) ^ 0xff, 4)
  const pem = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
  for (const input of [
    `${pem('AAAA')}${authority.bundlePem}`,
    `${authority.bundlePem}${pem('no base64')}`,
    Buffer.concat([junk, authority.certificateDer]),
    Buffer.concat([authority.certificateDer, broken]),
  ]) {
    const bundle = X509Bundle.parse('saas.example', input)
    assert.deepEqual(
      bundle.authorities.map(({ der }) => der.toString('hex')),
      [authority.certificateDer.toString('hex')],
    )
    assert.deepEqual(
      bundle.faults.map(({ trustDomain, code }) => [trustDomain, code]),
      [['saas.example', 'certificate_malformed']],
    )
  }
})

test('rejects a bundle without any readable certificate', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  refuses(broken, 'certificate_malformed')
  refuses(broken + broken, 'certificate_malformed')
})

const expired = await createAuthority('saas.example', { name: 'expired', ttlSeconds: 60, now: Date.now() - 120_000 })
const unusable = [
  ...(await Promise.all(
    (['not_a_ca', 'no_basic_constraints', 'no_key_cert_sign', 'weak_key'] as const).map(async (fault) => {
      return [fault, await createAuthority('saas.example', { faults: [fault] })] as const
    }),
  )),
  ['expired', expired],
] as const

for (const [fault, faulty] of unusable) {
  test(`leaves out an unusable authority (${fault}), reports it, and keeps the others`, async () => {
    const good = await createAuthority('saas.example', { name: 'good' })
    const parse = (pem: string): X509Bundle => X509Bundle.parse('saas.example', pem, Date.now())
    assert.throws(() => parse(faulty.bundlePem), { code: 'authority_unusable' })
    const bundle = parse(faulty.bundlePem + good.bundlePem)
    assert.deepEqual(
      bundle.authorities.map(({ der }) => Buffer.from(der)),
      [good.certificateDer],
    )
    assert.deepEqual(
      bundle.faults.map(({ trustDomain, code }) => [trustDomain, code]),
      [['saas.example', 'authority_unusable']],
    )
  })
}

test('leaves out a workload among the authorities', async () => {
  const svid = await authority.issue('spiffe://saas.example/x')
  refuses(svid.certificatePem, 'authority_unusable')
  const [leaf = Buffer.alloc(0)] = svid.certificates
  const bundle = X509Bundle.parse('saas.example', Buffer.concat([leaf, authority.certificateDer]))
  assert.equal(bundle.authorities.length, 1)
})

test('leaves out an expired authority, and keeps one that is not valid yet', () => {
  assert.equal(X509Bundle.parse('saas.example', expired.bundlePem).authorities.length, 1)
  // The last valid second counts as a whole (RFC 5280 §4.1.2.5).
  const end = Date.parse(new X509Certificate(expired.certificateDer).validTo) + 1000
  assert.equal(X509Bundle.parse('saas.example', expired.bundlePem, end - 1).authorities.length, 1)
  assert.throws(() => X509Bundle.parse('saas.example', expired.bundlePem, end), { code: 'authority_unusable' })
  assert.equal(X509Bundle.parse('saas.example', authority.bundlePem, 0).authorities.length, 1)
})

test('accepts an authority without key usage, or with a weak or invalid signature of its own', async () => {
  for (const fault of ['no_key_usage', 'sha1_signature', 'bad_signature'] as const) {
    const odd = await createAuthority('saas.example', { faults: [fault] })
    assert.equal(X509Bundle.parse('saas.example', odd.bundlePem).authorities.length, 1, fault)
  }
})

test('accepts 256 authorities and rejects 257, not counting expired ones', () => {
  const authorities = issueMany(257)
  const old = issueMany(60, Date.now() - 60_000)
  const most = Buffer.concat([...old, ...authorities.slice(1)])
  const bundle = X509Bundle.parse('saas.example', most, Date.now())
  assert.equal(bundle.authorities.length, 256)
  assert.equal(bundle.faults.length, 60)
  assert.equal(X509Bundle.parse('saas.example', most).authorities.length, 316)
  refuses(Buffer.concat(authorities), 'bundle_too_large')
})

test('rejects more than 512 certificates and more than 4 MiB before decoding any', () => {
  // None of them can be decoded, which would be another error.
  const certificates = Array.from({ length: 513 }, (_, index) => {
    const content = Buffer.alloc(128)
    content.writeUInt32BE(index)
    return Buffer.concat([Buffer.of(0x30, 0x81, 0x80), content])
  })
  refuses(Buffer.concat(certificates), 'bundle_too_large')
  refuses(Buffer.concat(certificates.slice(1)), 'certificate_malformed')
  const most = 4 * 1024 * 1024
  refuses(Buffer.alloc(most + 1), 'bundle_too_large')
  refuses('x'.repeat(most + 1), 'bundle_too_large')
  refuses('x'.repeat(most), 'bundle_empty')
})

test('counts duplicate authorities once', () => {
  const copies = Array.from({ length: 1500 }, () => authority)
  for (const input of [joinPem(copies), joinDer(copies)]) {
    assert.equal(X509Bundle.parse('saas.example', input).authorities.length, 1)
  }
  const bundle = X509Bundle.parse('saas.example', joinPem(copies))
  assert.equal(bundle.fingerprint, X509Bundle.parse('saas.example', authority.bundlePem).fingerprint)
})

test('has a fingerprint of its content, whatever the order', async () => {
  const [one, two] = await createAuthorities(2)
  assert.ok(one && two)
  assert.equal(fingerprint('saas.example', one, two), fingerprint('saas.example', two, one))
  assert.notEqual(fingerprint('saas.example', one, two), fingerprint('saas.example', one))
  assert.notEqual(fingerprint('saas.example', one), fingerprint('partner.example', one))
})

test('is immutable after it was read', () => {
  const bundle = X509Bundle.parse('saas.example', authority.bundlePem)
  assert.equal(Reflect.set(bundle, 'trustDomain', 'partner.example'), false)
  assert.equal(Reflect.set(bundle.authorities, 1, bundle.authorities[0]), false)
})
