import type { Certificate } from '../certificate/certificate.ts'
import type { CrlOrigin } from '../certificate/crl.ts'
import { keyOfName } from '../certificate/distinguished-name.ts'
import { isPossiblyIssuedBy } from '../certificate/verify-once.ts'
import type { X509Bundle } from './bundle.ts'
import type { PublishedCrl } from './published-crl.ts'

/** The maximum number of keys per issuer name that a list is checked against in one trust domain. */
const maxKeysOfName = 8

/** The maximum number of signature checks against the authorities of one trust domain. */
const maxChecksOfOne = 4096

/** Finds the trust domains whose authority signed a revocation list. */
export class CrlOwners {
  readonly #byName = new Map<string, Map<string, Certificate[]>>()
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
   * Finds the trust domains whose authority signed a list, and this authority. Also finds authorities without the cRLSign key usage: the
   * trust domain did supply a list, so an operator must notice that the list cannot be used.
   *
   * A list is never assigned by name alone. If another trust domain has too many authorities with one name, or too many
   * lists use that name, the unchecked lists have no owner. They are checked when a certificate with that name has
   * issued a caller's certificate.
   */
  *find({
    origin,
    issuer,
  }: Pick<PublishedCrl, 'origin' | 'issuer'>): Generator<void, ReadonlyMap<string, Certificate>> {
    const signers = new Map<string, Certificate>()
    if (origin === undefined) return signers
    for (const [trustDomain, namesakes] of this.#byName.get(issuer) ?? []) {
      const signer = yield* this.#findSigner(origin, trustDomain, namesakes)
      if (signer !== undefined) signers.set(trustDomain, signer)
    }
    return signers
  }

  *#findSigner(
    { signature, authorityKeyId }: CrlOrigin,
    trustDomain: string,
    namesakes: readonly Certificate[],
  ): Generator<void, Certificate | undefined> {
    const likelihood = ({ subjectKeyId }: Certificate): number =>
      subjectKeyId === undefined ? 1 : subjectKeyId === authorityKeyId ? 2 : 0
    const byLikelihood =
      authorityKeyId === undefined ? namesakes : namesakes.toSorted((one, other) => likelihood(other) - likelihood(one))
    const isOwn = this.#own.has(trustDomain)
    let tried = 0
    for (const authority of byLikelihood) {
      const checks = this.#checks.get(trustDomain) ?? 0
      if (!isOwn && (tried === maxKeysOfName || checks === maxChecksOfOne)) return undefined
      tried += 1
      this.#checks.set(trustDomain, checks + 1)
      if (isPossiblyIssuedBy(signature, authority)) return authority
      yield
    }
    return undefined
  }

  #note(authority: Certificate, trustDomain: string): void {
    const name = keyOfName(authority.subject)
    const byTrustDomain = this.#byName.get(name) ?? new Map<string, Certificate[]>()
    this.#byName.set(name, byTrustDomain)
    const namesakes = byTrustDomain.get(trustDomain) ?? []
    byTrustDomain.set(trustDomain, namesakes)
    // A renewal with the same key needs no separate check.
    if (!namesakes.some(({ keyInfo }) => keyInfo.der.equals(authority.keyInfo.der))) namesakes.push(authority)
  }
}
