import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type Authority, createAuthority, type SvidFault } from '@countersign/testkit'
import { type CertificateFacts, readCertificate } from './read-certificate.ts'

const spiffeId = 'spiffe://saas.example/ns/production/sa/core-api'
const now = Date.UTC(2026, 5, 1, 12)
const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'
const codeSigning = '1.3.6.1.5.5.7.3.3'

/** What each fault changes in a valid SVID; everything else must stay. */
const defects: Readonly<Record<SvidFault, Partial<CertificateFacts>>> = {
  two_uri_sans: { names: [`url:${spiffeId}`, 'dns:core-api', `url:${spiffeId}-second`] },
  no_uri_san: { names: ['dns:core-api'] },
  no_path: { names: ['url:spiffe://saas.example', 'dns:core-api'] },
  invalid_spiffe_id: { names: [`url:${spiffeId}/../admin`, 'dns:core-api'] },
  https_uri_san: { names: ['url:https://saas.example/ns/production/sa/core-api', 'dns:core-api'] },
  nul_in_uri: { names: [`url:${spiffeId}\0.example`, 'dns:core-api'] },
  foreign_trust_domain: { names: ['url:spiffe://foreign.example/ns/production/sa/core-api', 'dns:core-api'] },
  san_not_critical_with_empty_subject: { subject: '' },
  ca_leaf: { isCa: true },
  no_basic_constraints: { isCa: null },
  key_cert_sign: { keyUsages: ['digitalSignature', 'keyCertSign'] },
  crl_sign: { keyUsages: ['digitalSignature', 'cRLSign'] },
  no_digital_signature: { keyUsages: ['keyAgreement'] },
  no_key_usage: { keyUsages: null, keyUsagesCritical: null },
  key_usage_not_critical: { keyUsagesCritical: false },
  server_auth_only: { extendedKeyUsages: [serverAuth] },
  client_auth_only: { extendedKeyUsages: [clientAuth] },
  wrong_extended_key_usage: { extendedKeyUsages: [codeSigning] },
  no_extended_key_usage: { extendedKeyUsages: null },
  expired: { notBefore: now - 7_200_000, notAfter: now - 60_000 },
  not_yet_valid: { notBefore: now + 3_600_000, notAfter: now + 7_200_000 },
  unknown_critical_extension: { otherExtensions: ['1.3.6.1.4.1.99999.1 critical'] },
  duplicate_extension: { otherExtensions: ['1.3.6.1.4.1.99999.2', '1.3.6.1.4.1.99999.2'] },
  sha1_signature: { signature: '{"name":"ECDSA","hash":{"name":"SHA-1"}}' },
  weak_key: { key: '{"modulusLength":1024,"publicExponent":65537}' },
  bad_signature: { signedByIssuer: false },
  self_signed: { issuer: 'C=US, O=Countersign Testkit', signedByIssuer: false, signedByItself: true },
  trailing_bytes: { trailingBytes: 8 },
}

describe('every fault of an SVID does what its name says, and nothing else', () => {
  let authority: Authority
  let perfect: CertificateFacts

  before(async () => {
    authority = await createAuthority('saas.example', { now })
    perfect = await readIssued()
  })

  async function readIssued(fault?: SvidFault): Promise<CertificateFacts> {
    const faults = fault === undefined ? [] : [fault]
    const svid = await authority.issue(spiffeId, { now, dnsNames: ['core-api'], faults })
    const [leaf] = svid.certificates
    assert.ok(leaf)
    return readCertificate(leaf, authority)
  }

  test('has no defects without a fault', () => {
    assert.deepEqual(perfect, {
      subject: 'C=US, O=Countersign Testkit',
      issuer: 'C=US, O=Countersign Testkit, CN=saas.example X.509 authority',
      notBefore: now - 10_000,
      notAfter: now + 3_600_000,
      names: [`url:${spiffeId}`, 'dns:core-api'],
      namesCritical: false,
      isCa: false,
      pathLength: null,
      keyUsages: ['digitalSignature'],
      keyUsagesCritical: true,
      extendedKeyUsages: [serverAuth, clientAuth],
      otherExtensions: [],
      key: '{"namedCurve":"prime256v1"}',
      signature: '{"name":"ECDSA","hash":{"name":"SHA-256"}}',
      signedByIssuer: true,
      signedByItself: false,
      trailingBytes: 0,
    })
  })

  for (const fault of Object.keys(defects).filter((name): name is SvidFault => name in defects)) {
    test(fault, async () => {
      assert.deepEqual(await readIssued(fault), { ...perfect, ...defects[fault] })
    })
  }
})

test('faults can be combined', async () => {
  const authority = await createAuthority('saas.example', { now })
  const svid = await authority.issue(spiffeId, { now, faults: ['expired', 'ca_leaf'] })
  const [leaf] = svid.certificates
  assert.ok(leaf)
  const facts = readCertificate(leaf, authority)
  assert.equal(facts.isCa, true)
  assert.equal(facts.notAfter, now - 60_000)
  assert.equal(svid.expiresAt, now - 60_000)
})

test('a foreign ID with the fault foreign_trust_domain stays the requested one', async () => {
  const authority = await createAuthority('saas.example')
  const forged = 'spiffe://partner.example/ns/production/sa/core-api'
  const svid = await authority.issue(forged, { faults: ['foreign_trust_domain'] })
  const [leaf] = svid.certificates
  assert.ok(leaf)
  assert.deepEqual(readCertificate(leaf, authority).names, [`url:${forged}`])
})

test('an empty subject makes the alternative names critical, unless that is the fault', async () => {
  const authority = await createAuthority('saas.example')
  const [leaf] = (await authority.issue(spiffeId, { subject: {} })).certificates
  assert.ok(leaf)
  const facts = readCertificate(leaf, authority)
  assert.equal(facts.subject, '')
  assert.equal(facts.namesCritical, true)
})

test('rejects an unknown fault', async () => {
  const authority = await createAuthority('saas.example')
  const options: object = { faults: ['expird'] }
  await assert.rejects(authority.issue(spiffeId, options), { code: 'option_invalid', value: 'expird' })
})
