import type { Blueprint } from './blueprint.ts'
import { flipLastBit, type FaultTable } from './fault.ts'

/** The faults that an authority can have. Each breaks one thing; see the table in this file. */
export type AuthorityFault =
  | 'not_a_ca'
  | 'no_basic_constraints'
  | 'no_key_cert_sign'
  | 'no_key_usage'
  | 'path_length_zero'
  | 'wrong_extended_key_usage'
  | 'with_path_in_spiffe_id'
  | 'foreign_trust_domain'
  | 'expired'
  | 'not_yet_valid'
  | 'unknown_critical_extension'
  | 'sha1_signature'
  | 'weak_key'
  | 'bad_signature'

/**
 * The defects, one per line. `path_length_zero` only has an effect if there is an intermediate below (RFC 5280
 * §4.2.1.9).
 */
export const authorityFaults: FaultTable<AuthorityFault> = {
  not_a_ca: () => ({ basicConstraints: { cA: false } }),
  no_basic_constraints: () => ({ basicConstraints: null }),
  no_key_cert_sign: () => ({ keyUsages: ['cRLSign'] }),
  no_key_usage: () => ({ keyUsages: null }),
  path_length_zero: () => ({ basicConstraints: { cA: true, pathLength: 0 } }),
  wrong_extended_key_usage: () => ({ extendedKeyUsages: ['codeSigning'] }),
  with_path_in_spiffe_id: (_authority, { trustDomain }) => withUri(`spiffe://${trustDomain}/ca`),
  foreign_trust_domain: () => withUri('spiffe://foreign.example'),
  expired: (_authority, { now }) => ({ notBefore: now - 7_200_000, notAfter: now - 60_000 }),
  not_yet_valid: (_authority, { now }) => ({ notBefore: now + 3_600_000, notAfter: now + 86_400_000 }),
  unknown_critical_extension: ({ extensions }) => ({
    extensions: [...extensions, { oid: '1.3.6.1.4.1.99999.1', critical: true }],
  }),
  sha1_signature: () => ({ signatureHash: 'SHA-1' }),
  weak_key: () => ({ keyType: 'RSA-1024', key: null }),
  bad_signature: () => ({ damage: flipLastBit }),
}

function withUri(value: string): Partial<Blueprint> {
  return { alternativeNames: [{ type: 'uri', value }] }
}
