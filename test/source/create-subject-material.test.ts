import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestSvid } from '@countersign/testkit'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { CertificateError, type CertificateErrorCode } from '../../packages/spiffe/src/errors.ts'
import { assembleSubjectMaterial } from '../../packages/spiffe/src/source/create-subject-material.ts'
import { parsePrivateKey } from '../../packages/spiffe/src/source/private-key.ts'
import { CaBundle } from '../../packages/spiffe/src/trust/ca-bundle.ts'
import { ca, createCa, issueNamed } from '../subject/ca-files.ts'

const own = await issueNamed('billing-service')

function assemble(
  svid: TestSvid,
  bundle: string = ca.bundlePem,
  key: string = svid.keyPem,
  now: number = Date.now(),
): ReturnType<typeof assembleSubjectMaterial> {
  const certificates = svid.certificates.map((der) => decodeCertificate(der))
  return assembleSubjectMaterial({ key: parsePrivateKey(key), certificates, ca: CaBundle.parse(bundle) }, now)
}

test('returns our own certificate with its expiry and key, and the CA', () => {
  const { certificate, ca: bundle } = assemble(own)
  assert.equal(certificate.serialNumber, own.serialNumber)
  assert.equal(certificate.expiresAt, own.expiresAt + 1000)
  assert.equal(bundle.authorities.length, 1)
})

test('presents the intermediates with the leaf, and accepts a server-only certificate', async () => {
  const lower = await ca.intermediate({ subject: { CN: 'Lower CA' }, spiffeId: false })
  const below = await issueNamed('billing-service', { extendedKeyUsages: ['serverAuth'] }, lower)
  const { certificate } = assemble(below)
  assert.equal(certificate.certificatePem.split('BEGIN CERTIFICATE').length, 3)
})

const other = await createCa('Other CA')
const intermediate = await ca.intermediate({ subject: { CN: 'Lower CA' }, spiffeId: false })
const manyNames = (
  await Promise.all(
    Array.from({ length: 25 }, (_, index) => createCa('x', { subject: { O: `${index}${'x'.repeat(2000)}` } })),
  )
).map(({ bundlePem }) => bundlePem)

const cases: readonly (readonly [what: string, run: () => unknown, code: CertificateErrorCode, reason?: string])[] = [
  ['no certificate', () => assemble({ ...own, certificates: [] }), 'certificate_missing'],
  ['the key of another certificate', () => assemble(own, undefined, other.keyPem), 'key_mismatch'],
  ['a CA that did not issue it', () => assemble(own, other.bundlePem), 'svid_unusable', 'unknown_authority'],
  ['a CA that cannot end a chain in OpenSSL', () => assemble(own, intermediate.certificatePem), 'authority_unusable'],
  ['more names of authorities than fit into a handshake', () => assemble(own, manyNames.join('')), 'bundle_too_large'],
  [
    'an expired certificate',
    () => assemble(own, undefined, undefined, own.expiresAt + 1000),
    'svid_unusable',
    'expired',
  ],
]
for (const [what, run, code, reason] of cases) {
  test(`rejects ${what}`, () => {
    assert.throws(run, (error) => {
      assert.ok(error instanceof CertificateError)
      assert.equal(error.code, code)
      if (reason !== undefined) assert.equal(error.value, reason)
      return true
    })
  })
}

for (const [what, options, reason] of [
  ['a SPIFFE ID', { uris: ['spiffe://internal.example/ns/production/sa/billing'] }, 'spiffe_id_present'],
  ['neither serverAuth nor clientAuth', { extendedKeyUsages: ['1.3.6.1.5.5.7.3.4'] }, 'wrong_extended_key_usage'],
  ['a signature by SHA-1', { faults: ['sha1_signature'] }, 'weak_signature'],
] as const) {
  test(`rejects a certificate of our own with ${what}`, async () => {
    const svid = await issueNamed('billing-service', options)
    assert.throws(
      () => assemble(svid),
      (error) => error instanceof CertificateError && error.code === 'svid_unusable' && error.value === reason,
    )
  })
}
