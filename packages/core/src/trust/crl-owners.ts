import type { Certificate, DistinguishedName } from '../certificate/certificate.ts'
import type { CrlOrigin } from '../certificate/crl.ts'
import { isPossiblySignedBy } from '../certificate/signature.ts'
import type { X509Bundle } from './bundle.ts'

/** Finds the trust domains whose authority signed a revocation list. */
export class CrlOwners {
  readonly #byName = new Map<string, Map<Certificate, string[]>>()

  constructor(bundles: ReadonlyMap<string, X509Bundle>) {
    for (const [trustDomain, { authorities }] of bundles) {
      for (const authority of authorities) this.#note(authority, trustDomain)
    }
  }

  /**
   * Returns the names of these trust domains, none for a list of nobody's. A key usage without cRLSign does not count: the
   * trust domain did supply a list, and that it may not be heeded has to be noticed.
   *
   * @param isVerified false takes the name of an authority for its signature
   */
  find(origin: CrlOrigin | undefined, isVerified: boolean): readonly string[] {
    if (origin === undefined) return []
    const candidates = this.#byName.get(keyOf(origin.issuer)) ?? []
    const owners = [...candidates].flatMap(([{ publicKey }, trustDomains]) => {
      return !isVerified || isPossiblySignedBy(origin.signature, publicKey) ? trustDomains : []
    })
    return [...new Set(owners)]
  }

  #note(authority: Certificate, trustDomain: string): void {
    const key = keyOf(authority.subject)
    const authorities = this.#byName.get(key) ?? new Map<Certificate, string[]>()
    this.#byName.set(key, authorities)
    authorities.set(authority, [...(authorities.get(authority) ?? []), trustDomain])
  }
}

// Equal lists are equal names.
function keyOf({ relativeNames }: DistinguishedName): string {
  return JSON.stringify(relativeNames)
}
