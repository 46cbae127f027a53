import type { Certificate } from '../certificate/certificate.ts'

/** What is proved of a peer, whoever proved it. */
interface PeerProof {
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** Epoch milliseconds: the moment from which some certificate of the path, or what says it is not revoked, is no longer valid. */
  readonly expiresAt: number
}

/** A chain that a peer presented. */
export interface PeerClaim {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** Certificates that may complete the chain. */
  readonly additional: readonly Certificate[]
  /**
   * Returns what is known of one realm and may complete a chain of it. Only that of the peer's own realm is asked for: those
   * of another could leave no room for it.
   */
  readonly known?: ((realm: string) => readonly Certificate[]) | undefined
  /** Epoch milliseconds. */
  readonly now: number
}

/** The proof, or why there is none. */
export type PeerTrustVerdict<Proof extends PeerProof> =
  | { readonly ok: true; readonly proof: Proof }
  | {
      readonly ok: false
      readonly reason: string
      readonly detail: string
      /** What the leaf claims to be, where it could be read. */
      readonly spiffeId?: string
      readonly subject?: string
    }

/** Authorities that vouch for the same peers. */
export interface AuthoritySet {
  /** Absent for a CA without SPIFFE. */
  readonly trustDomain?: string
  readonly authorities: readonly Certificate[]
}

/** What peers are held against at one time, and what was proved under it. Immutable. */
export interface PeerTrust<Proof extends PeerProof> {
  /** Every authority, for the list that TLS sends to callers. */
  readonly authorities: readonly Certificate[]
  /** The same, by whose they are. */
  readonly bundles: readonly AuthoritySet[]
  /** Verifies a chain from the start. */
  verify(claim: PeerClaim): PeerTrustVerdict<Proof>
  /** Whether a proof was reached under the bundle that holds now. */
  holds(proof: Proof): boolean
  /** The proof under the bundle that holds now, where nothing of what was verified has changed. */
  carryOver(proof: Proof): Proof | undefined
  /** Whose bundle it is: what was learnt under one is kept apart from all others. */
  trustDomainOf(proof: Proof): string
}
