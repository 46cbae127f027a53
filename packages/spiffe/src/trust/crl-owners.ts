import type { Certificate } from '../certificate/certificate.ts'
import type { CrlOrigin } from '../certificate/crl.ts'
import { keyOfName } from '../certificate/distinguished-name.ts'
import { isIssuedBy, isPossiblyIssuedBy } from '../certificate/verify-once.ts'
import type { X509Bundle } from './bundle.ts'
import type { PublishedCrl } from './published-crl.ts'

/** The owners of a revocation list, determined by its signature. */
export interface CrlOwnership {
  /** The names of the trust domains whose authority signed the list. Empty if no known authority signed it. */
  readonly trustDomains: readonly string[]
  /**
   * Whether the list can belong only to these trust domains. A trust domain can publish another one's intermediate as
   * its own authority. It must not take over that intermediate's list, but it also cannot sign for it.
   */
  readonly isExclusive: boolean
}

const unowned: CrlOwnership = { trustDomains: [], isExclusive: false }

/** The maximum number of keys per issuer name that a list is checked against in one trust domain. */
const maxKeysOfName = 8

/** The maximum number of signature checks against the authorities of one trust domain. */
const maxChecksOfOne = 4096

/** Finds the trust domains whose authority signed a revocation list. */
export class CrlOwners {
  readonly #byName = new Map<string, Map<string, SameKey[]>>()
  readonly #checks = new Map<string, number>()
  readonly #own: ReadonlySet<string>

  /** @param own trust domains that the limits do not apply to */
  constructor(bundles: ReadonlyMap<string, X509Bundle>, own: ReadonlySet<string>) {
    this.#own = own
    for (const [trustDomain, { authorities }] of bundles) {
      for (const authority of authorities) this.#note(authority, trustDomain)
    }
  }

  /**
   * Finds the trust domains whose authority signed a list. Also finds authorities without the cRLSign key usage: the
   * trust domain did supply a list, so an operator must notice that the list cannot be used.
   *
   * A list is never assigned by name alone. If another trust domain has too many authorities with one name, or too many
   * lists use that name, the unchecked lists have no owner. They are checked when a certificate with that name has
   * issued a caller's certificate.
   */
  *find({ origin, issuer }: Pick<PublishedCrl, 'origin' | 'issuer'>): Generator<void, CrlOwnership> {
    if (origin === undefined) return unowned
    const owners = new Map<string, readonly Certificate[]>()
    for (const [trustDomain, namesakes] of this.#byName.get(issuer) ?? []) {
      const signers = yield* this.#findSigners(origin, trustDomain, namesakes)
      if (signers.length > 0) owners.set(trustDomain, signers)
    }
    const isExclusive = owners.size > 0 && [...owners.values()].flat().every(isSelfSigned)
    return { trustDomains: [...owners.keys()], isExclusive }
  }

  /** Returns the authorities whose key signed the list. */
  *#findSigners(
    { signature, authorityKeyId }: CrlOrigin,
    trustDomain: string,
    namesakes: readonly SameKey[],
  ): Generator<void, readonly Certificate[]> {
    const likelihood = ({ subjectKeyId }: Certificate): number =>
      subjectKeyId === undefined ? 1 : subjectKeyId === authorityKeyId ? 2 : 0
    const byLikelihood =
      authorityKeyId === undefined
        ? namesakes
        : namesakes.toSorted(([one], [other]) => likelihood(other) - likelihood(one))
    const isOwn = this.#own.has(trustDomain)
    let tried = 0
    for (const authorities of byLikelihood) {
      const [authority] = authorities
      const checks = this.#checks.get(trustDomain) ?? 0
      if (!isOwn && (tried === maxKeysOfName || checks === maxChecksOfOne)) return []
      tried += 1
      this.#checks.set(trustDomain, checks + 1)
      if (isPossiblyIssuedBy(signature, authority)) return authorities
      yield
    }
    return []
  }

  #note(authority: Certificate, trustDomain: string): void {
    const name = keyOfName(authority.subject)
    const byTrustDomain = this.#byName.get(name) ?? new Map<string, SameKey[]>()
    this.#byName.set(name, byTrustDomain)
    const namesakes = byTrustDomain.get(trustDomain) ?? []
    byTrustDomain.set(trustDomain, namesakes)
    const sameKey = namesakes.find(([{ keyInfo }]) => keyInfo.der.equals(authority.keyInfo.der))
    if (sameKey === undefined) namesakes.push([authority])
    else sameKey.push(authority)
  }
}

/** An authority and its renewals with the same key. The key is checked once. */
type SameKey = [Certificate, ...Certificate[]]

function isSelfSigned(authority: Certificate): boolean {
  return authority.selfIssued && isIssuedBy(authority.signature, authority)
}
