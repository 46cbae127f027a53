import type { SpiffeId } from '@countersign/spiffe/id'

/**
 * Who is calling, as requirements see it. What makes one decides what it is worth: those of a guard are made of a
 * verified certificate and nothing else.
 */
export interface Principal {
  /** The SPIFFE ID as text, or where callers have none their common name or DNS name. */
  readonly name: string
  readonly spiffeId?: SpiffeId
  readonly trustDomain?: string
  /** Of a SPIFFE ID whose path is exactly `/ns/<namespace>/sa/<service account>`, of whatever trust domain. */
  readonly namespace?: string
  /** See `namespace`. */
  readonly serviceAccount?: string
  readonly authorities: readonly string[]
  /** What proved the caller. */
  readonly credential: 'x509-svid' | 'x509-subject'
  /** Epoch milliseconds: the moment from which the proof is no longer valid. */
  readonly expiresAt: number
  /** Whether this authority is among `authorities`, byte for byte. */
  hasAuthority(name: string): boolean
}
