import type { Certificate } from '../certificate/certificate.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from '../trust/bundle.ts'

/** What the verifier has proved about a chain. */
export interface SvidProof {
  readonly spiffeId: SpiffeId
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** The bundle that the chain was verified under. The proof holds only for this object. */
  readonly bundle: X509Bundle
  /**
   * Epoch milliseconds: when the first certificate of the path stops being valid, or the first required revocation list
   * becomes stale.
   */
  readonly expiresAt: number
}

// Set in the static block of the class, because the constructor is private.
let mint: (proof: SvidProof) => X509Svid

/**
 * A chain that was verified as an X.509-SVID under the bundle of its own trust domain. Only `verifySvid` creates one,
 * so an object of this class is the proof.
 */
export class X509Svid {
  readonly #proof: SvidProof

  private constructor(proof: SvidProof) {
    this.#proof = proof
    Object.freeze(this)
  }

  /** The one SPIFFE ID that the certificate names. */
  get spiffeId(): SpiffeId {
    return this.#proof.spiffeId
  }

  /** The certificate of the workload. */
  get leaf(): Certificate {
    return this.#proof.leaf
  }

  /** The verified path, from the leaf to the authority in the bundle. */
  get path(): readonly Certificate[] {
    return this.#proof.path
  }

  /** The bundle that the path was verified under. */
  get bundle(): X509Bundle {
    return this.#proof.bundle
  }

  /** Epoch milliseconds: when the first certificate of the path expires or its revocation lists become stale. */
  get expiresAt(): number {
    return this.#proof.expiresAt
  }

  static {
    mint = (proof: SvidProof): X509Svid => new X509Svid(proof)
  }
}

/** Returns true if a value is a proof created by `verifySvid`. */
export function isX509Svid(value: unknown): value is X509Svid {
  return value instanceof X509Svid
}

/** Creates the proof. Only for `verifySvid`. */
export function mintX509Svid(proof: SvidProof): X509Svid {
  return mint(proof)
}
