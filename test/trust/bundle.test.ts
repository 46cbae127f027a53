import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateError, type CertificateErrorCode, SpiffeIdError, X509Bundle } from '@countersign/core'
import { type Authority, createAuthority, createKey } from '@countersign/testkit'

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

test('takes the name of the trust domain from a SPIFFE ID as well, and refuses a bad one', () => {
  assert.equal(X509Bundle.parse('spiffe://saas.example', authority.bundlePem).trustDomain, 'saas.example')
  for (const name of ['', 'Saas.example', 'saas.example:443', 'spiffe://']) {
    assert.throws(
      () => X509Bundle.parse(name, authority.bundlePem),
      (error) => error instanceof SpiffeIdError,
    )
  }
})

test('refuses a bundle without any authority', () => {
  refuses('', 'bundle_empty')
  refuses(new Uint8Array(), 'bundle_empty')
  refuses('# no certificate here\n', 'bundle_empty')
  refuses(authority.keyPem, 'bundle_empty')
})

test('refuses a bundle with one certificate that cannot be read, however good the others are', () => {
  const begin = '-----BEGIN CERTIFICATE-----\n'
  refuses(`${authority.bundlePem}${begin}AAAA\n-----END CERTIFICATE-----\n`, 'certificate_malformed')
  refuses(`${authority.bundlePem}${begin}`, 'certificate_malformed')
  refuses(authority.certificateDer.subarray(0, -1), 'certificate_malformed')
})

test('refuses an authority that is no CA, may not sign certificates or has a weak key', async () => {
  for (const fault of ['not_a_ca', 'no_basic_constraints', 'no_key_cert_sign', 'weak_key'] as const) {
    const faulty = await createAuthority('saas.example', { faults: [fault] })
    refuses(faulty.bundlePem, 'authority_unusable')
    refuses(authority.bundlePem + faulty.bundlePem, 'authority_unusable')
  }
})

test('refuses a workload among the authorities', async () => {
  const svid = await authority.issue('spiffe://saas.example/x')
  refuses(svid.certificatePem, 'authority_unusable')
})

test('accepts an authority without key usage, or whose own signature is weak or broken', async () => {
  for (const fault of ['no_key_usage', 'sha1_signature', 'bad_signature'] as const) {
    const odd = await createAuthority('saas.example', { faults: [fault] })
    assert.equal(X509Bundle.parse('saas.example', odd.bundlePem).authorities.length, 1, fault)
  }
})

test('accepts 32 authorities and refuses 33', async () => {
  const authorities = await createAuthorities(33)
  assert.equal(X509Bundle.parse('saas.example', joinPem(authorities.slice(1))).authorities.length, 32)
  refuses(joinPem(authorities), 'bundle_too_large')
})

test('counts an authority once that is there many times', () => {
  const copies = Array.from({ length: 40 }, () => authority)
  const bundle = X509Bundle.parse('saas.example', joinPem(copies))
  assert.equal(bundle.authorities.length, 1)
  assert.equal(bundle.fingerprint, X509Bundle.parse('saas.example', authority.bundlePem).fingerprint)
})

test('has a fingerprint of its content, whatever the order', async () => {
  const [one, two] = await createAuthorities(2)
  assert.ok(one && two)
  assert.equal(fingerprint('saas.example', one, two), fingerprint('saas.example', two, one))
  assert.notEqual(fingerprint('saas.example', one, two), fingerprint('saas.example', one))
  assert.notEqual(fingerprint('saas.example', one), fingerprint('partner.example', one))
})

test('cannot be changed after it was read', () => {
  const bundle = X509Bundle.parse('saas.example', authority.bundlePem)
  assert.equal(Reflect.set(bundle, 'trustDomain', 'partner.example'), false)
  assert.equal(Reflect.set(bundle.authorities, 1, bundle.authorities[0]), false)
})
