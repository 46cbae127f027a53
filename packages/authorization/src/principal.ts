import type { SpiffeId } from '@countersign/spiffe/id'

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
  readonly credential: 'x509-svid' | 'x509-subject'
  /** Epoch milliseconds: when the proof expires. */
  readonly expiresAt: number
  /** Returns whether `authorities` includes this authority, compared byte for byte. */
  hasAuthority(name: string): boolean
}
