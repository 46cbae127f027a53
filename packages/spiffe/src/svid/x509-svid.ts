import type { Certificate } from '../certificate/certificate.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from '../trust/bundle.ts'

/** What the verifier has proved of a chain. */
export interface SvidProof {
  readonly spiffeId: SpiffeId
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** The bundle that proved it; another object proves nothing any more. */
  readonly bundle: X509Bundle
  /**
   * Epoch milliseconds: the moment from which some certificate of the path is no longer valid, or the revocation lists
   * that speak for one are stale.
   */
  readonly expiresAt: number
}

// Set by the class itself: nothing else reaches its constructor.
let mint: (proof: SvidProof) => X509Svid

/**
 * A chain that was verified as an X.509-SVID under the bundle of its own trust domain. Only `verifySvid` makes one: an
 * object of this class is the proof.
 */
export class X509Svid {
  readonly #proof: SvidProof

  private constructor(proof: SvidProof) {
    this.#proof = proof
    Object.freeze(this)
  }

  get spiffeId(): SpiffeId {
    return this.#proof.spiffeId
  }

  get leaf(): Certificate {
    return this.#proof.leaf
  }

  get path(): readonly Certificate[] {
    return this.#proof.path
  }

  get bundle(): X509Bundle {
    return this.#proof.bundle
  }

  get expiresAt(): number {
    return this.#proof.expiresAt
  }

  static {
    mint = (proof: SvidProof): X509Svid => new X509Svid(proof)
  }
}

/** Whether a value is a proof by `verifySvid`. */
export function isX509Svid(value: unknown): value is X509Svid {
  return value instanceof X509Svid
}

/** For `verifySvid` alone. */
export function mintX509Svid(proof: SvidProof): X509Svid {
  return mint(proof)
}
