import type { Certificate } from '../certificate/certificate.ts'

/** What every verifier proves about a peer. */
interface PeerProof {
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /**
   * Epoch milliseconds: when the first certificate of the path, or the first revocation list that it relies on, stops
   * being valid.
   */
  readonly expiresAt: number
}

/** A chain that a peer presented. */
export interface PeerClaim {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** Certificates that may complete the chain. */
  readonly additional: readonly Certificate[]
  /**
   * Returns the known certificates of one trust domain that may complete a chain. It is called only with the peer's own
   * trust domain, because certificates of other trust domains could use up the limits of the chain.
   */
  readonly known?: ((trustDomain: string) => readonly Certificate[]) | undefined
  /** Epoch milliseconds. */
  readonly now: number
}

/** The proof, or the reason why there is none. */
export type PeerTrustVerdict<Proof extends PeerProof> =
  | { readonly ok: true; readonly proof: Proof }
  | {
      readonly ok: false
      readonly reason: string
      readonly detail: string
      /** The name that the leaf claims, if it could be read. */
      readonly spiffeId?: string
      readonly subject?: string
    }

/** Authorities that certify the same set of peers. */
export interface AuthoritySet {
  /** Absent for a CA without SPIFFE. */
  readonly trustDomain?: string
  readonly authorities: readonly Certificate[]
}

/** The authorities that peers are verified against at one time, and the proofs made under them. Immutable. */
export interface PeerTrust<Proof extends PeerProof> {
  /** All authorities, for the list that TLS sends to clients. */
  readonly authorities: readonly Certificate[]
  /** The same authorities, grouped by owner. */
  readonly bundles: readonly AuthoritySet[]
  /** Verifies a chain from the start. */
  verify(claim: PeerClaim): PeerTrustVerdict<Proof>
  /** Returns true if the proof was made under the current bundle. */
  holds(proof: Proof): boolean
  /** Returns the proof under the current bundle, if nothing that was verified has changed. */
  carryOver(proof: Proof): Proof | undefined
  /** Returns the owner of the bundle. Cached certificates of different owners are kept apart. */
  trustDomainOf(proof: Proof): string
}
