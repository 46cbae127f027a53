import type { Certificate } from '../certificate/certificate.ts'
import type { CaBundle } from '../trust/ca-bundle.ts'

/** What the verifier has proved about a chain of a CA without SPIFFE. */
export interface SubjectProof {
  /** The one common name or DNS name, spelled as in the list of names. */
  readonly name: string
  readonly leaf: Certificate
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** The bundle that the chain was verified under. The proof holds only for this object. */
  readonly bundle: CaBundle
  /** Epoch milliseconds: when the first certificate of the path stops being valid. */
  readonly expiresAt: number
}

// Set in the static block of the class, because the constructor is private.
let mint: (proof: SubjectProof) => X509Subject

/** A verified chain of a CA without SPIFFE whose leaf has a known name. Only `verifySubject` creates one. */
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

/** Creates the proof. Only for `verifySubject`. */
export function mintX509Subject(proof: SubjectProof): X509Subject {
  return mint(proof)
}
