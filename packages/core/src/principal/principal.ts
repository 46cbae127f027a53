import type { CredentialKind, Principal as PrincipalFacade } from '@countersign/authorization'
import type { SpiffeId } from '@countersign/spiffe'

/** The fields of a principal. */
export interface PrincipalFacts {
  readonly name: string
  readonly spiffeId?: SpiffeId
  readonly namespace?: string
  readonly serviceAccount?: string
  readonly authorities: readonly string[]
  readonly credential: CredentialKind
  readonly proxy?: Principal | undefined
  readonly thumbprint?: string | undefined
  readonly lifetime?: number | undefined
  readonly expiresAt: number
}

// Set by the class itself, because the constructor is private.
let mint: (facts: PrincipalFacts) => Principal

/**
 * The proven caller of a request. Only a verified credential produces one, so a value of this type is never just a
 * claim. It is created once per credential and shared by the requests that it proves.
 */
export class Principal implements PrincipalFacade {
  /** The SPIFFE ID as text, or the common name or DNS name if callers have no SPIFFE ID. */
  readonly name: string
  declare readonly spiffeId?: SpiffeId
  declare readonly trustDomain?: string
  /** Set if the SPIFFE ID's path is exactly `/ns/<namespace>/sa/<service account>`, in any trust domain. */
  declare readonly namespace?: string
  /** See `namespace`. */
  declare readonly serviceAccount?: string
  /** The derived authorities, then those of the application, without duplicates. */
  readonly authorities: readonly string[]
  /** What proved the caller. */
  readonly credential: CredentialKind
  /** The proxy that forwarded the caller's identity or its token, itself proven by the certificate of its connection. */
  declare readonly proxy?: Principal
  /**
   * Epoch milliseconds: when the first certificate of the verified path expires, or when the revocation list for one of
   * them becomes stale. For a forwarded identity also when that of its proxy does; for a token, when it expires.
   */
  readonly expiresAt: number
  readonly #authorities: ReadonlySet<string>
  readonly #thumbprint: string | undefined
  readonly #lifetime: number | undefined

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
    if (facts.proxy !== undefined) this.proxy = facts.proxy
    this.#thumbprint = facts.thumbprint
    this.#lifetime = facts.lifetime
    this.expiresAt = facts.expiresAt
    Object.freeze(this)
  }

  /**
   * The SHA-256 of the certificate that proved the caller, as base64url: `x5t#S256` of RFC 8705 §3.1. Undefined if a token
   * or only a name proved it.
   */
  get thumbprint(): string | undefined {
    return this.#thumbprint
  }

  /**
   * Milliseconds from notBefore to notAfter of the certificate that proved the caller. Undefined if a token or only a name
   * proved it.
   */
  get lifetime(): number | undefined {
    return this.#lifetime
  }

  /** Returns whether `authorities` includes this authority, compared byte for byte. */
  hasAuthority(name: string): boolean {
    return this.#authorities.has(name)
  }

  static {
    mint = (facts: PrincipalFacts): Principal => new Principal(facts)
  }
}

/** Creates a principal. Only for the functions of this folder that hold a proof; not exported from the package. */
export function mintPrincipal(facts: PrincipalFacts): Principal {
  return mint(facts)
}
