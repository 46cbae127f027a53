import type { Principal as PrincipalFacade } from '@countersign/authorization'
import type { SpiffeId } from '@countersign/spiffe'

/** What a principal is made of. */
export interface PrincipalFacts {
  readonly name: string
  readonly spiffeId?: SpiffeId
  readonly namespace?: string
  readonly serviceAccount?: string
  readonly authorities: readonly string[]
  readonly credential: 'x509-svid' | 'x509-subject'
  readonly expiresAt: number
}

// Set by the class itself: nothing else reaches its constructor.
let mint: (facts: PrincipalFacts) => Principal

/**
 * Who is calling, by proof. Only a verified certificate makes one, so a value of this type is never a claim; it is
 * computed once per connection and shared by its requests.
 */
export class Principal implements PrincipalFacade {
  /** The SPIFFE ID as text, or where callers have none their common name or DNS name. */
  readonly name: string
  declare readonly spiffeId?: SpiffeId
  declare readonly trustDomain?: string
  /** Of a SPIFFE ID whose path is exactly `/ns/<namespace>/sa/<service account>`, of whatever trust domain. */
  declare readonly namespace?: string
  /** See `namespace`. */
  declare readonly serviceAccount?: string
  /** Derived ones first, then those of the application; without duplicates. */
  readonly authorities: readonly string[]
  readonly credential: 'x509-svid' | 'x509-subject'
  /**
   * Epoch milliseconds: the moment from which some certificate of the verified path is no longer valid, or the
   * revocation lists that speak for one are stale.
   */
  readonly expiresAt: number
  readonly #authorities: ReadonlySet<string>

  private constructor(facts: PrincipalFacts) {
    this.name = facts.name
    if (facts.spiffeId !== undefined) {
      this.spiffeId = facts.spiffeId
      this.trustDomain = facts.spiffeId.trustDomain
    }
    if (facts.namespace !== undefined) this.namespace = facts.namespace
    if (facts.serviceAccount !== undefined) this.serviceAccount = facts.serviceAccount
    this.#authorities = new Set(facts.authorities)
    this.authorities = Object.freeze([...this.#authorities])
    this.credential = facts.credential
    this.expiresAt = facts.expiresAt
    Object.freeze(this)
  }

  /** Whether this authority is among `authorities`, byte for byte. */
  hasAuthority(name: string): boolean {
    return this.#authorities.has(name)
  }

  static {
    mint = (facts: PrincipalFacts): Principal => new Principal(facts)
  }
}

/** For the functions of this folder that hold a proof; not exported from the package. */
export function mintPrincipal(facts: PrincipalFacts): Principal {
  return mint(facts)
}
