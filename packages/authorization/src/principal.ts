import type { SpiffeId } from '@countersign/spiffe/id'

/**
 * What can prove a caller.
 *
 * - `x509-svid`: the certificate of the connection's peer, an X.509-SVID.
 * - `x509-subject`: the certificate of the connection's peer, from a CA without SPIFFE.
 * - `forwarded`: the identity that a listed proxy forwarded.
 * - `asserted`: an identity that an unauthenticated proxy forwarded.
 * - `jwt-svid`: a bearer token, a JWT-SVID.
 */
export type CredentialKind = 'x509-svid' | 'x509-subject' | 'forwarded' | 'asserted' | 'jwt-svid'

/**
 * The caller, as requirements receive it. A guard creates principals only from verified certificates; principals from
 * other code are not verified.
 */
export interface Principal {
  /** The SPIFFE ID as text, or the common name or DNS name if callers have no SPIFFE ID. */
  readonly name: string
  readonly spiffeId?: SpiffeId
  readonly trustDomain?: string
  /** Set if the SPIFFE ID's path is exactly `/ns/<namespace>/sa/<service account>`, in any trust domain. */
  readonly namespace?: string
  /** See `namespace`. */
  readonly serviceAccount?: string
  readonly authorities: readonly string[]
  /** The kind of credential that proved the caller. */
  readonly credential: CredentialKind
  /** Epoch milliseconds: when the proof expires. */
  readonly expiresAt: number
  /**
   * Milliseconds from notBefore to notAfter of the certificate that proved the caller. Undefined for a token and for a
   * name without a certificate.
   */
  readonly lifetime?: number | undefined
  /** Returns whether `authorities` includes this authority, compared byte for byte. */
  hasAuthority(name: string): boolean
}
