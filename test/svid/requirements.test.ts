import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthorityOptions, createAuthority, type IssueOptions } from '@countersign/testkit'
import { authority, bundlesOf, callerId, reasonOf, verify, verifyIssued } from './claims.ts'

/** The requirements of the X509-SVID standard, one row each. */

const hour = 3_600_000

async function verifyBelow(options: AuthorityOptions, issue: IssueOptions = {}): Promise<string> {
  return verifyIssued(issue, await authority.intermediate(options))
}

const permitting = (value: string): AuthorityOptions => ({ nameConstraints: { permitted: [{ type: 'uri', value }] } })
const excluding = (value: string): AuthorityOptions => ({ nameConstraints: { excluded: [{ type: 'uri', value }] } })

test('X-1 refuses a leaf with two URI names, with two equal ones, and with none', async () => {
  assert.equal(await verifyIssued({ faults: ['two_uri_sans'] }), 'several_uri_sans')
  assert.equal(await verifyIssued({ uris: [callerId, callerId] }), 'several_uri_sans')
  assert.equal(await verifyIssued({ uris: ['https://saas.example/', callerId] }), 'several_uri_sans')
  assert.equal(await verifyIssued({ faults: ['no_uri_san'] }), 'no_uri_san')
})

test('X-2 accepts any number of DNS names and addresses besides the SPIFFE ID', async () => {
  const names = { dnsNames: ['core-api', 'core-api.production.svc'], ipAddresses: ['10.0.0.1', '2001:db8::1'] }
  assert.equal(await verifyIssued(names), 'ok')
  assert.equal(await verifyIssued({ ...names, uris: [] }), 'no_uri_san')
})

test('X-3 refuses a signing certificate that is presented as a workload', async () => {
  const named = await authority.intermediate({ spiffeId: callerId })
  assert.equal(reasonOf(verify([authority.certificateDer])), 'spiffe_id_without_path')
  assert.equal(reasonOf(verify([named.certificateDer])), 'leaf_is_ca')
})

test('X-4 refuses a leaf whose SPIFFE ID has no path', async () => {
  assert.equal(await verifyIssued({ faults: ['no_path'] }), 'spiffe_id_without_path')
})

test('X-5 refuses an SVID below a signing certificate whose SPIFFE ID has a path, authority or intermediate', async () => {
  const faulty = await createAuthority('saas.example', { faults: ['with_path_in_spiffe_id'] })
  assert.equal(await verifyIssued({}, faulty), 'signing_certificate_spiffe_id')
  assert.equal(await verifyBelow({ faults: ['with_path_in_spiffe_id'] }), 'signing_certificate_spiffe_id')
  assert.equal(await verifyBelow({ spiffeId: 'SPIFFE://saas.example/ca' }), 'signing_certificate_spiffe_id')
  assert.equal(await verifyBelow({ spiffeId: false }), 'ok')
  assert.equal(await verifyBelow({ spiffeId: 'https://saas.example/ca' }), 'ok')
})

test('X-6 refuses an empty subject unless the alternative name is critical', async () => {
  assert.equal(await verifyIssued({ faults: ['san_not_critical_with_empty_subject'] }), 'alternative_name_not_critical')
  assert.equal(await verifyIssued({ subject: {} }), 'ok')
})

test('X-7 refuses an SVID below an issuer that is not a CA or may not sign certificates', async () => {
  assert.equal(await verifyBelow({ faults: ['not_a_ca'] }), 'not_a_ca')
  assert.equal(await verifyBelow({ faults: ['no_basic_constraints'] }), 'not_a_ca')
  assert.equal(await verifyBelow({ faults: ['no_key_cert_sign'] }), 'missing_key_cert_sign')
})

test('X-8 refuses a leaf without key usage, or with one that is not critical', async () => {
  assert.equal(await verifyIssued({ faults: ['no_key_usage'] }), 'key_usage_missing')
  assert.equal(await verifyIssued({ faults: ['key_usage_not_critical'] }), 'key_usage_not_critical')
})

test('X-9 refuses a leaf without digitalSignature', async () => {
  assert.equal(await verifyIssued({ faults: ['no_digital_signature'] }), 'digital_signature_missing')
})

test('X-10 refuses a leaf with keyCertSign or cRLSign, and accepts keyEncipherment and keyAgreement', async () => {
  assert.equal(await verifyIssued({ faults: ['key_cert_sign'] }), 'leaf_may_sign')
  assert.equal(await verifyIssued({ faults: ['crl_sign'] }), 'leaf_may_sign')
  assert.equal(await verifyIssued({ keyUsages: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] }), 'ok')
})

test('X-11 accepts a leaf without extended key usage', async () => {
  assert.equal(await verifyIssued({ faults: ['no_extended_key_usage'] }), 'ok')
})

test('X-12 refuses a leaf with an extended key usage that lacks serverAuth or clientAuth', async () => {
  for (const usages of [['serverAuth'], ['clientAuth'], ['codeSigning'], ['anyExtendedKeyUsage']]) {
    assert.equal(await verifyIssued({ extendedKeyUsages: usages }), 'extended_key_usage_incomplete', usages.join())
  }
  assert.equal(await verifyIssued({ extendedKeyUsages: ['codeSigning', 'clientAuth', 'serverAuth'] }), 'ok')
})

test('X-13 refuses a path with a date outside its validity, an unknown issuer, an invalid signature or an unknown critical extension', async () => {
  const stranger = await createAuthority('saas.example')
  const { certificates } = await stranger.issue(callerId)
  assert.equal(await verifyIssued({ faults: ['expired'] }), 'expired')
  assert.equal(await verifyIssued({ faults: ['not_yet_valid'] }), 'not_yet_valid')
  assert.equal(await verifyIssued({ faults: ['bad_signature'] }), 'signature_invalid')
  assert.equal(await verifyIssued({ faults: ['self_signed'] }), 'unknown_authority')
  assert.equal(await verifyIssued({ faults: ['unknown_critical_extension'] }), 'unknown_critical_extension')
  assert.equal(await verifyIssued({ faults: ['sha1_signature'] }), 'weak_signature')
  assert.equal(await verifyIssued({ faults: ['weak_key'] }), 'weak_key')
  assert.equal(await verifyBelow({ faults: ['expired'] }), 'expired')
  assert.equal(reasonOf(verify(certificates)), 'signature_invalid')
})

test('X-13 is valid from the first to the end of the last second of the shortest-lived certificate of the path', async () => {
  const now = Date.UTC(2026, 5, 1, 12)
  const issuer = await createAuthority('saas.example', { now })
  const short = await issuer.intermediate({ now, ttlSeconds: 60 })
  const { certificates } = await short.issue(callerId, { now, notBefore: now, ttlSeconds: 3600 })
  const bundles = bundlesOf(issuer)
  const reasonAt = (moment: number): string => reasonOf(verify(certificates, { bundles, now: moment }))
  const verdict = verify(certificates, { bundles, now })
  assert.deepEqual([now - 1, now, now + 60_999, now + 61_000].map(reasonAt), ['not_yet_valid', 'ok', 'ok', 'expired'])
  assert.equal(verdict.ok && verdict.svid.expiresAt, now + 61_000)
})

test('X-14 refuses a leaf with cA true, and accepts one without basicConstraints', async () => {
  assert.equal(await verifyIssued({ faults: ['ca_leaf'] }), 'leaf_is_ca')
  assert.equal(await verifyIssued({ faults: ['no_basic_constraints'] }), 'ok')
})

test('X-15 refuses keyCertSign and cRLSign on an otherwise valid leaf', async () => {
  assert.equal(await verifyIssued({ keyUsages: ['digitalSignature', 'keyCertSign'] }), 'leaf_may_sign')
  assert.equal(await verifyIssued({ keyUsages: ['digitalSignature', 'cRLSign'] }), 'leaf_may_sign')
})

test('X-16 refuses a leaf whose URI is not a SPIFFE ID', async () => {
  const faults = ['invalid_spiffe_id', 'https_uri_san'] as const
  for (const fault of faults) assert.equal(await verifyIssued({ faults: [fault] }), 'spiffe_id_invalid', fault)
  for (const uri of ['SPIFFE://saas.example/x', 'spiffe://SAAS.example/x', 'spiffe://saas.example/x?y']) {
    assert.equal(await verifyIssued({ uris: [uri] }), 'spiffe_id_invalid', uri)
  }
  assert.equal(await verifyIssued({ faults: ['nul_in_uri'] }), 'certificate_malformed')
})

test('X-17 refuses a path of a single slash as well as an empty one', async () => {
  assert.equal(await verifyIssued({ uris: ['spiffe://saas.example'] }), 'spiffe_id_without_path')
  assert.equal(await verifyIssued({ uris: ['spiffe://saas.example/'] }), 'spiffe_id_invalid')
})

test('X-18 counts only URI names: a SPIFFE ID as DNS name does not count', async () => {
  assert.equal(await verifyIssued({ uris: [], dnsNames: [callerId] }), 'no_uri_san')
})

test('X-19 refuses an SVID signed by the authority of another trust domain, whichever bundles are present', async () => {
  const partner = await createAuthority('partner.example')
  const { certificates } = await partner.issue(callerId, { faults: ['foreign_trust_domain'] })
  const own = await partner.issue('spiffe://partner.example/ns/production/sa/core-api')
  const both = bundlesOf(authority, partner)
  assert.equal(reasonOf(verify(certificates, { bundles: both })), 'unknown_authority')
  assert.equal(reasonOf(verify(certificates, { bundles: bundlesOf(partner) })), 'trust_domain_unknown')
  assert.equal(reasonOf(verify(own.certificates, { bundles: both })), 'ok')
  assert.equal(reasonOf(verify(own.certificates)), 'trust_domain_unknown')
})

test('X-20 honours the URI name constraints of a signing certificate', async () => {
  assert.equal(await verifyBelow(permitting('saas.example')), 'ok')
  assert.equal(await verifyBelow(permitting('partner.example')), 'name_constraint_violated')
  assert.equal(await verifyBelow(excluding('saas.example')), 'name_constraint_violated')
  assert.equal(await verifyBelow(excluding('partner.example')), 'ok')
  const root = await createAuthority('saas.example', permitting('partner.example'))
  assert.equal(await verifyIssued({}, root), 'name_constraint_violated')
})

test('X-21 treats the first certificate as the leaf, and accepts the rest in any order', async () => {
  const lower = await (await authority.intermediate()).intermediate()
  const [leaf, ...above] = (await lower.issue(callerId)).certificates
  assert.ok(leaf !== undefined && above.length === 2)
  assert.equal(reasonOf(verify([leaf, ...above])), 'ok')
  assert.equal(reasonOf(verify([leaf, ...above.toReversed()])), 'ok')
  assert.equal(reasonOf(verify([...above, leaf])), 'spiffe_id_without_path')
})

test('proves a valid SVID with its SPIFFE ID, path, bundle and expiry', async () => {
  const lower = await authority.intermediate()
  const issued = await lower.issue(callerId, { ttlSeconds: hour / 1000 })
  const bundles = bundlesOf(authority)
  const verdict = verify(issued.certificates, { bundles })
  assert.ok(verdict.ok)
  const { spiffeId, leaf, path, bundle, expiresAt } = verdict.svid
  assert.deepEqual(
    {
      spiffeId: spiffeId.toString(),
      serialNumber: leaf.serialNumber,
      path: path.map(({ der }) => der.toString('hex')),
      expiresAt,
    },
    {
      spiffeId: callerId,
      serialNumber: issued.serialNumber,
      path: [...issued.certificates, authority.certificateDer].map((der) => der.toString('hex')),
      expiresAt: issued.expiresAt + 1000,
    },
  )
  assert.equal(bundle, bundles.get('saas.example'))
})
