import type { Certificate } from './certificate.ts'
import { isSameName } from './distinguished-name.ts'
import { isNamedIssuer } from './issuer-match.ts'
import { checkSignature } from './path-checks.ts'
import type { PathRequest, Refusal } from './path-request.ts'

/** The maximum number of signature checks for one path. */
export const maxSignatureChecks = 32

/**
 * Tracks the possible issuers of each certificate: first by name, then without those that did not sign it. If the
 * remaining steps do not connect a certificate to an authority, none of its signatures is checked.
 */
export class PathEdges {
  readonly maxChecks: number = maxSignatureChecks
  /** The possible issuers: the authorities, then the presented certificates. */
  readonly #candidates: readonly Certificate[]
  /** By SHA-256, because one certificate can have been decoded twice. */
  readonly #authorities: ReadonlySet<string>
  readonly #above = new Map<string, Above>()
  readonly #verdicts = new Map<string, Refusal | undefined>()
  readonly #excluded = new Set<string>()
  #reachable: ReadonlySet<string>
  #checks = 0
  #isExhausted = false

  constructor({ leaf, authorities, intermediates }: PathRequest) {
    // Without duplicates, because each copy would use up signature checks.
    const candidates = [...authorities, ...intermediates].map(
      (certificate) => [certificate.sha256, certificate] as const,
    )
    this.#candidates = [...new Map(candidates).values()]
    this.#authorities = new Set(authorities.map(({ sha256 }) => sha256))
    this.#noteAbove(leaf)
    this.#reachable = this.#findReachable()
  }

  /** Whether the limit prevented a signature check. */
  get isExhausted(): boolean {
    return this.#isExhausted
  }

  get mayVerify(): boolean {
    return this.#checks < maxSignatureChecks
  }

  isAuthority({ sha256 }: Certificate): boolean {
    return this.#authorities.has(sha256)
  }

  /** Returns the candidates with the name of this certificate's issuer, most likely ones first. */
  listNamesakes({ sha256 }: Certificate): readonly Certificate[] {
    return this.#above.get(sha256)?.namesakes ?? []
  }

  /** Returns those namesakes that also match the authority key identifier. */
  listIssuers({ sha256 }: Certificate): readonly Certificate[] {
    return this.#above.get(sha256)?.issuers ?? []
  }

  /** Returns true if the issuer may have signed the child, and is an authority or may be connected to one. */
  isOpen(issuer: Certificate, child: Certificate): boolean {
    const isVouchable = this.isAuthority(issuer) || this.#reachable.has(issuer.sha256)
    return isVouchable && !this.#isRefuted(issuer, child)
  }

  /**
   * Checks a signature like `checkSignature`, once for each child and issuer. If a certificate names an authority as
   * its issuer but was not signed by it, all other certificates that name an authority are checked too. The search can
   * then skip certificates that no authority signed.
   */
  verify(child: Certificate, issuer: Certificate): Refusal | undefined {
    const refusal = this.#verifyOnce(child, issuer)
    if (refusal !== undefined && this.isAuthority(issuer)) this.#settle()
    return refusal
  }

  /** Returns the refusal of `verify`, or undefined if it was not called or the signature is valid. */
  refusalOf(child: Certificate, issuer: Certificate): Refusal | undefined {
    return this.#verdicts.get(keyOf(issuer, child))
  }

  #settle(): void {
    for (const { child, issuers } of this.#above.values()) {
      const authorities = issuers.filter((issuer) => this.isAuthority(issuer) && !this.#excluded.has(issuer.sha256))
      authorities.some((authority) => this.mayVerify && this.#verifyOnce(child, authority) === undefined)
    }
  }

  #verifyOnce(child: Certificate, issuer: Certificate): Refusal | undefined {
    const key = keyOf(issuer, child)
    if (this.#verdicts.has(key)) return this.#verdicts.get(key)
    if (!this.mayVerify) {
      this.#isExhausted = true
      return { reason: 'too_many_signature_checks', detail: '' }
    }
    this.#checks += 1
    const refusal = checkSignature(child, issuer)
    this.#verdicts.set(key, refusal)
    if (refusal !== undefined) this.#reachable = this.#findReachable()
    return refusal
  }

  /** Removes an issuer that may not sign anything, whatever is below it. */
  exclude({ sha256 }: Certificate): void {
    this.#excluded.add(sha256)
    this.#reachable = this.#findReachable()
  }

  #isRefuted(issuer: Certificate, child: Certificate): boolean {
    return this.#excluded.has(issuer.sha256) || this.#verdicts.get(keyOf(issuer, child)) !== undefined
  }

  /** Finds the certificates that may be between the leaf and an authority, by name. */
  #noteAbove(leaf: Certificate): void {
    const certificates = [leaf]
    for (const child of certificates) {
      if (this.#above.has(child.sha256)) continue
      const likelihood = (candidate: Certificate): number =>
        (candidate.subjectKeyId === child.authorityKeyId ? 2 : 0) + (this.isAuthority(candidate) ? 1 : 0)
      const namesakes = this.#candidates
        .filter((candidate) => isSameName(candidate.subject, child.issuer))
        // If an authority was renewed with the same key, the path over the old certificate would expire earlier.
        .toSorted((one, other) => likelihood(other) - likelihood(one) || other.notAfter - one.notAfter)
      const issuers = namesakes.filter((namesake) => isNamedIssuer(namesake, child))
      this.#above.set(child.sha256, { child, namesakes, issuers })
      certificates.push(...issuers.filter((issuer) => !this.isAuthority(issuer)))
    }
  }

  /** Finds the certificates that are connected to an authority by steps without an invalid signature. */
  #findReachable(): ReadonlySet<string> {
    const reachable = new Set<string>()
    let before: number
    do {
      before = reachable.size
      for (const [sha256, { child, issuers }] of this.#above) {
        if (reachable.has(sha256)) continue
        const isReachable = issuers.some(
          (issuer) => (this.isAuthority(issuer) || reachable.has(issuer.sha256)) && !this.#isRefuted(issuer, child),
        )
        if (isReachable) reachable.add(sha256)
      }
    } while (reachable.size > before)
    return reachable
  }
}

/** A certificate on a possible path, including the leaf, and its possible issuers. */
interface Above {
  readonly child: Certificate
  readonly namesakes: readonly Certificate[]
  readonly issuers: readonly Certificate[]
}

function keyOf(issuer: Certificate, child: Certificate): string {
  return `${issuer.sha256}${child.sha256}`
}
