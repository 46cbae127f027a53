import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { JwtBundle } from './jwt-bundle.ts'

/** What the verifier has proved about a token. */
export interface JwtProof {
  readonly spiffeId: SpiffeId
  readonly audiences: readonly string[]
  readonly expiresAt: number
  readonly issuedAt: number | undefined
  readonly claims: Readonly<Record<string, unknown>>
  readonly keyId: string
  readonly bundle: JwtBundle
}

// Set in the static block of the class, because the constructor is private.
let mint: (proof: JwtProof) => JwtSvid

/**
 * A token that was verified as a JWT-SVID under the bundle of its own trust domain. Only `verifyJwtSvid` creates one,
 * so an object of this class is the proof. Does not contain the token.
 */
export class JwtSvid {
  readonly #proof: JwtProof

  private constructor(proof: JwtProof) {
    this.#proof = proof
    Object.freeze(this)
  }

  /** The SPIFFE ID in the claim `sub`. */
  get spiffeId(): SpiffeId {
    return this.#proof.spiffeId
  }

  /** Every audience of the token. At least one is ours. */
  get audiences(): readonly string[] {
    return this.#proof.audiences
  }

  /** Epoch milliseconds: the claim `exp`, without leeway. */
  get expiresAt(): number {
    return this.#proof.expiresAt
  }

  /** Epoch milliseconds: the claim `iat`. Informational; a token is not refused because of it. */
  get issuedAt(): number | undefined {
    return this.#proof.issuedAt
  }

  /** All claims, frozen. Integers above 2^53 are rounded as `JSON.parse` rounds them. */
  get claims(): Readonly<Record<string, unknown>> {
    return this.#proof.claims
  }

  /** The `kid` of the JWT authority that signed the token. */
  get keyId(): string {
    return this.#proof.keyId
  }

  /** The bundle that the token was verified under. The proof holds only for this object. */
  get bundle(): JwtBundle {
    return this.#proof.bundle
  }

  static {
    mint = (proof: JwtProof): JwtSvid => new JwtSvid(proof)
  }
}

/** Creates the proof. Only for `verifyJwtSvid`. */
export function mintJwtSvid(proof: JwtProof): JwtSvid {
  return mint(proof)
}
