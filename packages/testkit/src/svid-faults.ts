import type { AlternativeName, Blueprint } from './blueprint.ts'
import { flipLastBit, type FaultTable } from './fault.ts'

/** The faults that an SVID can have. Each breaks one thing; see the table in this file. */
export type SvidFault =
  | 'two_uri_sans'
  | 'no_uri_san'
  | 'no_path'
  | 'invalid_spiffe_id'
  | 'https_uri_san'
  | 'nul_in_uri'
  | 'foreign_trust_domain'
  | 'san_not_critical_with_empty_subject'
  | 'ca_leaf'
  | 'no_basic_constraints'
  | 'key_cert_sign'
  | 'crl_sign'
  | 'no_digital_signature'
  | 'no_key_usage'
  | 'key_usage_not_critical'
  | 'server_auth_only'
  | 'client_auth_only'
  | 'wrong_extended_key_usage'
  | 'no_extended_key_usage'
  | 'expired'
  | 'not_yet_valid'
  | 'unknown_critical_extension'
  | 'duplicate_extension'
  | 'sha1_signature'
  | 'weak_key'
  | 'bad_signature'
  | 'self_signed'
  | 'trailing_bytes'

/**
 * The defects, one per line. `no_extended_key_usage`, `no_basic_constraints` and `san_not_critical_with_empty_subject`
 * violate only a SHOULD or a requirement on the issuer, so a verifier may accept them (X509-SVID §4.1, §4.4, §3.1).
 */
export const svidFaults: FaultTable<SvidFault> = {
  two_uri_sans: (svid) => ({
    alternativeNames: [...svid.alternativeNames, { type: 'uri', value: `${idOf(svid)}-second` }],
  }),
  no_uri_san: (svid) => ({ alternativeNames: otherNames(svid) }),
  no_path: (svid) => withUri(svid, idOf(svid).split('/').slice(0, 3).join('/')),
  invalid_spiffe_id: (svid) => withUri(svid, `${idOf(svid)}/../admin`),
  https_uri_san: (svid) => withUri(svid, idOf(svid).replace('spiffe:', 'https:')),
  nul_in_uri: (svid) => withUri(svid, `${idOf(svid)}\0.example`),
  foreign_trust_domain: (svid, { trustDomain }) => withUri(svid, toForeign(idOf(svid), trustDomain)),
  san_not_critical_with_empty_subject: () => ({ subject: {}, alternativeNamesCritical: false }),
  ca_leaf: () => ({ basicConstraints: { cA: true } }),
  no_basic_constraints: () => ({ basicConstraints: null }),
  key_cert_sign: () => ({ keyUsages: ['digitalSignature', 'keyCertSign'] }),
  crl_sign: () => ({ keyUsages: ['digitalSignature', 'cRLSign'] }),
  no_digital_signature: () => ({ keyUsages: ['keyAgreement'] }),
  no_key_usage: () => ({ keyUsages: null }),
  key_usage_not_critical: () => ({ keyUsagesCritical: false }),
  server_auth_only: () => ({ extendedKeyUsages: ['serverAuth'] }),
  client_auth_only: () => ({ extendedKeyUsages: ['clientAuth'] }),
  wrong_extended_key_usage: () => ({ extendedKeyUsages: ['codeSigning'] }),
  no_extended_key_usage: () => ({ extendedKeyUsages: null }),
  expired: (_svid, { now }) => ({ notBefore: now - 7_200_000, notAfter: now - 60_000 }),
  not_yet_valid: (_svid, { now }) => ({ notBefore: now + 3_600_000, notAfter: now + 7_200_000 }),
  unknown_critical_extension: (svid) => ({
    extensions: [...svid.extensions, { oid: '1.3.6.1.4.1.99999.1', critical: true }],
  }),
  duplicate_extension: (svid) => ({ extensions: [...svid.extensions, ...twins] }),
  sha1_signature: () => ({ signatureHash: 'SHA-1' }),
  weak_key: () => ({ keyType: 'RSA-1024', key: null }),
  bad_signature: () => ({ damage: flipLastBit }),
  self_signed: () => ({ selfSigned: true }),
  trailing_bytes: () => ({ damage: (der) => Buffer.concat([der, Buffer.from('trailing')]) }),
}

const twins = [{ oid: '1.3.6.1.4.1.99999.2' }, { oid: '1.3.6.1.4.1.99999.2' }] as const

function withUri(svid: Blueprint, uri: string): Partial<Blueprint> {
  return { alternativeNames: [{ type: 'uri', value: uri }, ...otherNames(svid)] }
}

function idOf(svid: Blueprint): string {
  return svid.alternativeNames.flatMap((name) => (name.type === 'uri' ? [name.value] : []))[0] ?? ''
}

/** An ID that is already foreign stays as the test specified it. */
function toForeign(id: string, trustDomain: string): string {
  const own = `spiffe://${trustDomain}/`
  return id.startsWith(own) ? `spiffe://foreign.example/${id.slice(own.length)}` : id
}

function otherNames(svid: Blueprint): readonly AlternativeName[] {
  return svid.alternativeNames.filter((name) => name.type !== 'uri')
}
