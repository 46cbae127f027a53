import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type Authority, type AuthorityFault, createAuthority } from '@countersign/testkit'
import { type CertificateFacts, readCertificate } from './read-certificate.ts'

const now = Date.UTC(2026, 5, 1, 12)

/** What each fault changes in a valid authority; everything else must stay. */
const defects: Readonly<Record<AuthorityFault, Partial<CertificateFacts>>> = {
  not_a_ca: { isCa: false },
  no_basic_constraints: { isCa: null },
  no_key_cert_sign: { keyUsages: ['cRLSign'] },
  no_key_usage: { keyUsages: null, keyUsagesCritical: null },
  path_length_zero: { pathLength: 0 },
  wrong_extended_key_usage: { extendedKeyUsages: ['1.3.6.1.5.5.7.3.3'] },
  with_path_in_spiffe_id: { names: ['url:spiffe://saas.example/ca'] },
  foreign_trust_domain: { names: ['url:spiffe://foreign.example'] },
  expired: { notBefore: now - 7_200_000, notAfter: now - 60_000 },
  not_yet_valid: { notBefore: now + 3_600_000, notAfter: now + 86_400_000 },
  unknown_critical_extension: { otherExtensions: ['1.3.6.1.4.1.99999.1 critical'] },
  sha1_signature: { signature: '{"name":"ECDSA","hash":{"name":"SHA-1"}}' },
  weak_key: { key: '{"modulusLength":1024,"publicExponent":65537}' },
  bad_signature: { signedByIssuer: false },
}

describe('every fault of an authority does what its name says, and nothing else', () => {
  let root: Authority
  let perfect: CertificateFacts

  before(async () => {
    root = await createAuthority('saas.example', { now })
    perfect = await readIntermediate()
  })

  async function readIntermediate(fault?: AuthorityFault): Promise<CertificateFacts> {
    const authority = await root.intermediate({ now, faults: fault === undefined ? [] : [fault] })
    return readCertificate(authority.certificateDer, root)
  }

  test('has no defects without a fault', () => {
    assert.deepEqual(perfect, {
      subject: 'C=US, O=Countersign Testkit, CN=saas.example intermediate',
      issuer: 'C=US, O=Countersign Testkit, CN=saas.example X.509 authority',
      notBefore: now - 10_000,
      notAfter: now + 86_400_000,
      names: ['url:spiffe://saas.example'],
      namesCritical: false,
      isCa: true,
      pathLength: null,
      keyUsages: ['keyCertSign', 'cRLSign'],
      keyUsagesCritical: true,
      extendedKeyUsages: null,
      otherExtensions: [],
      key: '{"namedCurve":"prime256v1"}',
      signature: '{"name":"ECDSA","hash":{"name":"SHA-256"}}',
      signedByIssuer: true,
      signedByItself: false,
      trailingBytes: 0,
    })
  })

  for (const fault of Object.keys(defects).filter((name): name is AuthorityFault => name in defects)) {
    test(fault, async () => {
      assert.deepEqual(await readIntermediate(fault), { ...perfect, ...defects[fault] })
    })
  }
})

test('an authority with a fault can still issue', async () => {
  const root = await createAuthority('saas.example')
  const broken = await root.intermediate({ faults: ['not_a_ca'] })
  const [leaf, intermediate] = (await broken.issue('spiffe://saas.example/workload')).certificates
  assert.ok(leaf && intermediate)
  assert.equal(readCertificate(leaf, broken).signedByIssuer, true)
  assert.equal(readCertificate(intermediate, root).isCa, false)
})
