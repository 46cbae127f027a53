import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority, type AuthorityFault, type SvidFault } from '@countersign/testkit'
import type { SvidVerdict } from '../../packages/spiffe/src/svid/verify-svid.ts'
import { extension, nullValue, sequence, subjectAlternativeName, generalName, tlv } from '../certificate/encode.ts'
import { entity, type Issue, issueAuthority, issueLeaf, now } from '../certificate/issue.ts'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { authority, bundlesOf, callerId, verify } from './claims.ts'

// The log alone must show an operator what is wrong with a certificate, as `openssl verify` does.

const leafFaults: Readonly<Record<SvidFault, readonly [reason: string, detail: RegExp]>> = {
  two_uri_sans: ['several_uri_sans', /2 URI SANs/],
  no_uri_san: ['no_uri_san', /no URI SAN/],
  no_path: ['spiffe_id_without_path', /path/],
  invalid_spiffe_id: ['spiffe_id_invalid', /\.\.\/admin/],
  https_uri_san: ['spiffe_id_invalid', /https:/],
  nul_in_uri: ['certificate_malformed', /the leaf: subjectAltName: .*control character/],
  foreign_trust_domain: ['trust_domain_unknown', /foreign\.example/],
  san_not_critical_with_empty_subject: ['alternative_name_not_critical', /critical/],
  ca_leaf: ['leaf_is_ca', /cA true/],
  no_basic_constraints: ['ok', /^$/],
  key_cert_sign: ['leaf_may_sign', /keyCertSign/],
  crl_sign: ['leaf_may_sign', /cRLSign/],
  no_digital_signature: ['digital_signature_missing', /digitalSignature/],
  no_key_usage: ['key_usage_missing', /no key usage/],
  key_usage_not_critical: ['key_usage_not_critical', /critical/],
  server_auth_only: ['extended_key_usage_incomplete', /clientAuth/],
  client_auth_only: ['extended_key_usage_incomplete', /serverAuth/],
  wrong_extended_key_usage: ['extended_key_usage_incomplete', /clientAuth/],
  no_extended_key_usage: ['ok', /^$/],
  expired: ['expired', /core-api.*expired at 2/],
  not_yet_valid: ['not_yet_valid', /core-api.*valid from 2/],
  unknown_critical_extension: ['unknown_critical_extension', /1\.3\.6\.1\.4\.1\.99999\.1/],
  duplicate_extension: ['certificate_malformed', /the leaf: .*1\.3\.6\.1\.4\.1\.99999\.2 twice/],
  sha1_signature: ['weak_signature', /1\.2\.840\.10045\.4\.1, which is too weak/],
  weak_key: ['weak_key', /rsa 1024/],
  bad_signature: ['signature_invalid', /not made by the key of/],
  self_signed: ['unknown_authority', /self-signed/],
  trailing_bytes: ['certificate_trailing_bytes', /the leaf: .*bytes/],
}

for (const fault of keysOf(leafFaults)) {
  const [reason, detail] = leafFaults[fault]
  test(`names what is wrong with a leaf: ${fault}`, async () => {
    const { certificates } = await authority.issue(callerId, { faults: [fault] })
    expect(verify(certificates), reason === 'certificate_trailing_bytes' ? 'certificate_malformed' : reason, detail)
  })
}

const intermediateFaults: Readonly<Record<AuthorityFault, readonly [reason: string, detail: RegExp]>> = {
  not_a_ca: ['not_a_ca', /basicConstraints/],
  no_basic_constraints: ['not_a_ca', /basicConstraints/],
  no_key_cert_sign: ['missing_key_cert_sign', /keyCertSign/],
  no_key_usage: ['ok', /^$/],
  path_length_zero: ['ok', /^$/],
  wrong_extended_key_usage: ['wrong_extended_key_usage', /clientAuth/],
  with_path_in_spiffe_id: ['signing_certificate_spiffe_id', /saas\.example\/ca/],
  foreign_trust_domain: ['signing_certificate_spiffe_id', /foreign\.example/],
  expired: ['expired', /expired at 2/],
  not_yet_valid: ['not_yet_valid', /valid from 2/],
  unknown_critical_extension: ['unknown_critical_extension', /1\.3\.6\.1\.4\.1\.99999\.1/],
  sha1_signature: ['weak_signature', /too weak/],
  weak_key: ['weak_key', /rsa 1024/],
  bad_signature: ['signature_invalid', /not made by the key of/],
}

for (const fault of keysOf(intermediateFaults)) {
  const [reason, detail] = intermediateFaults[fault]
  test(`names what is wrong with an intermediate: ${fault}`, async () => {
    const lower = await authority.intermediate({ faults: [fault] })
    expect(verify((await lower.issue(callerId)).certificates), reason, detail)
  })
}

test('names both possible causes if an intermediate was not sent', async () => {
  const lower = await authority.intermediate({ name: 'lower' })
  const [leaf] = (await lower.issue(callerId)).certificates
  assert.ok(leaf !== undefined)
  expect(
    verify([leaf]),
    'unknown_authority',
    /lower.*no intermediate was sent: the chain is incomplete, or its authority/,
  )
})

test('names both possible causes if only one of two intermediates was sent', async () => {
  const upper = await authority.intermediate({ name: 'upper' })
  const lower = await upper.intermediate({ name: 'lower' })
  const chain = (await lower.issue(callerId)).certificates.slice(0, 2)
  expect(verify(chain), 'unknown_authority', /the issuer of '[^']*lower.* is '[^']*upper.*the chain is incomplete/)
})

test('reports that the root of a chain that ends in another root is not trusted', async () => {
  const stranger = await createAuthority('saas.example', { name: 'stranger' })
  const { certificates } = await stranger.issue(callerId)
  expect(
    verify([...certificates, stranger.certificateDer]),
    'unknown_authority',
    /stranger.* is self-signed and not one of/,
  )
})

test('reports a signature by another key if an authority of the same name has another key', async () => {
  const double = await createAuthority('saas.example', { keyIdentifiers: false })
  const twin = await createAuthority('saas.example', { keyIdentifiers: false })
  const { certificates } = await twin.issue(callerId, { keyIdentifiers: false })
  expect(
    verify(certificates, { bundles: bundlesOf(double) }),
    'signature_invalid',
    /authority with the same name and another key/,
  )
})

// Certificates that the testkit cannot create.
const root = entity('root', 'P-256', 0)
const workload = entity('workload', 'P-256', 1)
const odd: readonly (readonly [what: string, issue: Issue, reason: string, detail: RegExp])[] = [
  [
    'subjectKeyIdentifier twice',
    { extensions: { one: keyId('01'), two: keyId('02') } },
    'certificate_malformed',
    /2\.5\.29\.14 twice/,
  ],
  [
    'a key usage without a bit',
    { extensions: { keyUsage: extension('2.5.29.15', tlv(3, Buffer.of(0, 0)), true) } },
    'certificate_malformed',
    /keyUsage: found no bit set/,
  ],
  [
    'an authority key identifier of an older root',
    { extensions: { authorityKeyId: authorityOf('02') } },
    'key_identifier_mismatch',
    /authority key identifier of .*02/,
  ],
  [
    'signature algorithms that differ',
    { fields: { signedAlgorithm: sequence(nullValue) } },
    'signature_invalid',
    /different inner and outer signature algorithms/,
  ],
]

for (const [what, issue, reason, detail] of odd) {
  test(`names what is wrong with a leaf: ${what}`, () => {
    const names = subjectAlternativeName(generalName.uri(callerId))
    const leaf = issueLeaf(workload, { by: root, ...issue, extensions: { names, ...issue.extensions } })
    const authorities = issueAuthority(root, { extensions: { subjectKeyId: keyId('01') } })
    const bundles = new Map([['saas.example', X509Bundle.parse('saas.example', authorities)]])
    expect(verify([leaf], { bundles, now }), reason, detail)
  })
}

test('names the name and the authority if a name constraint is violated', async () => {
  const excluded = [{ type: 'uri', value: 'saas.example' }] as const
  const narrow = await createAuthority('saas.example', { nameConstraints: { excluded } })
  const { certificates } = await narrow.issue(callerId)
  expect(verify(certificates, { bundles: bundlesOf(narrow) }), 'name_constraint_violated', /core-api.* is excluded by/)
})

test('names the limit if there are too many intermediates', async () => {
  const short = await createAuthority('saas.example', { faults: ['path_length_zero'] })
  const { certificates } = await (await short.intermediate()).issue(callerId)
  expect(verify(certificates, { bundles: bundlesOf(short) }), 'path_length_exceeded', /1 intermediates.*allows 0/)
})

test('reports which certificate of the chain is malformed', async () => {
  const { certificates } = await authority.issue(callerId)
  expect(verify([...certificates, Buffer.from('junk')]), 'certificate_malformed', /^certificate 2 of the chain: /)
})

test("names the reason if the issuer's key, and not its name, does not match, even below an intermediate", () => {
  const middle = entity('middle', 'P-256', 2)
  const names = subjectAlternativeName(generalName.uri(callerId))
  const authorities = issueAuthority(root)
  const intermediate = issueAuthority(middle, { by: root, extensions: { subjectKeyId: keyId('03') } })
  const leaf = issueLeaf(workload, { by: middle, extensions: { names, authorityKeyId: authorityOf('04') } })
  const bundles = new Map([['saas.example', X509Bundle.parse('saas.example', authorities)]])
  expect(verify([leaf, intermediate], { bundles, now }), 'key_identifier_mismatch', /04.*CN=middle/)
})

function keyId(id: string): Buffer {
  return extension('2.5.29.14', tlv(0x04, Buffer.from(id, 'hex')))
}

function authorityOf(id: string): Buffer {
  return extension('2.5.29.35', sequence(tlv(0x80, Buffer.from(id, 'hex'))))
}

function expect(verdict: SvidVerdict, reason: string, detail: RegExp): void {
  assert.equal(verdict.ok ? 'ok' : verdict.reason, reason, verdict.ok ? '' : verdict.detail)
  assert.match(verdict.ok ? '' : verdict.detail, detail)
}

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): readonly Key[] {
  return Object.keys(table).filter((key): key is Key => key in table)
}
