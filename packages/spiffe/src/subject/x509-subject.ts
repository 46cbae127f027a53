import type { Certificate } from '../certificate/certificate.ts'
import type { CaBundle } from '../trust/ca-bundle.ts'

/** What the verifier has proved of a chain of a CA without SPIFFE. */
export interface SubjectProof {
  /** The one common name or DNS name, as the list of names spells it. */
  readonly name: string
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** The bundle that proved it; another object proves nothing any more. */
  readonly bundle: CaBundle
  /** Epoch milliseconds: the moment from which some certificate of the path is no longer valid. */
  readonly expiresAt: number
}

// Set by the class itself: nothing else reaches its constructor.
let mint: (proof: SubjectProof) => X509Subject

/** A chain whose leaf names a known subject by a CA without SPIFFE. Only `verifySubject` makes one. */
export class X509Subject {
  readonly #proof: SubjectProof

  private constructor(proof: SubjectProof) {
    this.#proof = proof
    Object.freeze(this)
  }

  get name(): string {
    return this.#proof.name
  }

  get leaf(): Certificate {
    return this.#proof.leaf
  }

  get path(): readonly Certificate[] {
    return this.#proof.path
  }

  get bundle(): CaBundle {
    return this.#proof.bundle
  }

  get expiresAt(): number {
    return this.#proof.expiresAt
  }

  static {
    mint = (proof: SubjectProof): X509Subject => new X509Subject(proof)
  }
}

/** For `verifySubject` alone. */
export function mintX509Subject(proof: SubjectProof): X509Subject {
  return mint(proof)
}
