import type { Certificate, DistinguishedName } from '../certificate/certificate.ts'
import type { CrlOrigin } from '../certificate/crl.ts'
import { isPossiblySignedBy, verifySignature } from '../certificate/signature.ts'
import type { X509Bundle } from './bundle.ts'

/** Whose a revocation list is. */
export interface CrlOwnership {
  /** The names of the trust domains whose authority signed it; none for a list of nobody's. */
  readonly trustDomains: readonly string[]
  /**
   * Whether it can be of nobody else. A trust domain may publish the intermediate of another one as its own authority, and
   * must not get hold of its list by that; but it cannot sign for it.
   */
  readonly isExclusive: boolean
}

const unowned: CrlOwnership = { trustDomains: [], isExclusive: false }

/** Finds the trust domains whose authority signed a revocation list. */
export class CrlOwners {
  readonly #byName = new Map<string, Map<Certificate, string[]>>()

  constructor(bundles: ReadonlyMap<string, X509Bundle>) {
    for (const [trustDomain, { authorities }] of bundles) {
      for (const authority of authorities) this.#note(authority, trustDomain)
    }
  }

  /**
   * Finds the trust domains whose authority signed a list. A key usage without cRLSign does not count: the trust domain did
   * supply a list, and that it may not be heeded has to be noticed.
   *
   * @param isVerified false takes the name of an authority for its signature
   */
  find(origin: CrlOrigin | undefined, isVerified: boolean): CrlOwnership {
    if (origin === undefined) return unowned
    const candidates = [...(this.#byName.get(keyOf(origin.issuer)) ?? [])]
    const owners = candidates.filter(([{ publicKey }]) => {
      return !isVerified || isPossiblySignedBy(origin.signature, publicKey)
    })
    return {
      trustDomains: [...new Set(owners.flatMap(([, trustDomains]) => trustDomains))],
      isExclusive: owners.length > 0 && owners.every(([authority]) => isSelfSigned(authority)),
    }
  }

  #note(authority: Certificate, trustDomain: string): void {
    const key = keyOf(authority.subject)
    const authorities = this.#byName.get(key) ?? new Map<Certificate, string[]>()
    this.#byName.set(key, authorities)
    authorities.set(authority, [...(authorities.get(authority) ?? []), trustDomain])
  }
}

function isSelfSigned({ selfIssued, signature, publicKey }: Certificate): boolean {
  return selfIssued && verifySignature(signature, publicKey) === 'valid'
}

// Equal lists are equal names.
function keyOf({ relativeNames }: DistinguishedName): string {
  return JSON.stringify(relativeNames)
}
