import type { Certificate, clientAuth, serverAuth } from './certificate.ts'

/** What to verify: that the leaf's chain ends at one of these authorities, now and for this usage. */
export interface PathRequest {
  readonly leaf: Certificate
  /** The other certificates that the peer presented, in any order. Unrelated ones are ignored. */
  readonly intermediates: readonly Certificate[]
  /** The authorities of one bundle. They need not be self-signed, and several may have the same name. */
  readonly authorities: readonly Certificate[]
  /** The usage that every extended key usage on the path must allow. */
  readonly usage: typeof clientAuth | typeof serverAuth
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why there is no valid path, as a closed union. For operators, never for the peer. */
export type PathRefusal =
  | 'too_many_certificates'
  | 'chain_too_large'
  | 'leaf_is_authority'
  | 'unknown_authority'
  | 'key_identifier_mismatch'
  | 'too_many_signature_checks'
  | 'weak_key'
  | 'weak_signature'
  | 'unsupported_signature'
  | 'signature_invalid'
  | 'not_yet_valid'
  | 'expired'
  | 'not_a_ca'
  | 'missing_key_cert_sign'
  | 'path_length_exceeded'
  | 'wrong_extended_key_usage'
  | 'unknown_critical_extension'
  | 'name_constraint_violated'
  | 'policy_missing'

/** The reason, with details for an operator to find the certificate. */
export interface Refusal {
  readonly reason: PathRefusal
  readonly detail: string
}
