import type { Certificate, clientAuth, serverAuth } from './certificate.ts'

/** What is to be proved: that the leaf's chain ends in one of these authorities, now and for this usage. */
export interface PathRequest {
  readonly leaf: Certificate
  /** What the peer presented besides its leaf: any order, and what does not belong is passed over. */
  readonly intermediates: readonly Certificate[]
  /** The authorities of one bundle; they need not be self-signed and may share names. */
  readonly authorities: readonly Certificate[]
  /** What every extended key usage on the path must allow. */
  readonly usage: typeof clientAuth | typeof serverAuth
  /** Epoch milliseconds. */
  readonly now: number
}

/** Why there is no path, from a closed union; for operators, never for the peer. */
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

/** One reason with what an operator needs to find the certificate that is meant. */
export interface Refusal {
  readonly reason: PathRefusal
  readonly detail: string
}
