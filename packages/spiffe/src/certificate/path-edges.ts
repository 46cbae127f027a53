import type { Certificate } from './certificate.ts'
import { isSameName } from './distinguished-name.ts'
import { isNamedIssuer } from './issuer-match.ts'
import { checkSignature } from './path-checks.ts'
import type { PathRequest, Refusal } from './path-request.ts'

/** The most signature checks for one path. */
export const maxSignatureChecks = 32

/**
 * Which certificate may have issued which: by their names at first, and fewer with every signature that turns out to be
 * wrong. A certificate that no authority vouches for by a chain of such steps is not worth a signature check.
 */
export class PathEdges {
  readonly maxChecks: number = maxSignatureChecks
  /** What can sign: the authorities, then what was presented. */
  readonly #candidates: readonly Certificate[]
  /** By SHA-256: one certificate can have been decoded twice. */
  readonly #authorities: ReadonlySet<string>
  readonly #above = new Map<string, Above>()
  readonly #verdicts = new Map<string, Refusal | undefined>()
  readonly #excluded = new Set<string>()
  #reachable: ReadonlySet<string>
  #checks = 0
  #isExhausted = false

  constructor({ leaf, authorities, intermediates }: PathRequest) {
    // Copies of one certificate would only eat up signature checks.
    const candidates = [...authorities, ...intermediates].map(
      (certificate) => [certificate.sha256, certificate] as const,
    )
    this.#candidates = [...new Map(candidates).values()]
    this.#authorities = new Set(authorities.map(({ sha256 }) => sha256))
    this.#noteAbove(leaf)
    this.#reachable = this.#findReachable()
  }

  /** Whether a signature was not verified for want of checks. */
  get isExhausted(): boolean {
    return this.#isExhausted
  }

  get mayVerify(): boolean {
    return this.#checks < maxSignatureChecks
  }

  isAuthority({ sha256 }: Certificate): boolean {
    return this.#authorities.has(sha256)
  }

  /** The candidates with the name of the issuer of this certificate, most likely ones first. */
  listNamesakes({ sha256 }: Certificate): readonly Certificate[] {
    return this.#above.get(sha256)?.namesakes ?? []
  }

  /** Those of them that the certificate names by its authority key identifier, too. */
  listIssuers({ sha256 }: Certificate): readonly Certificate[] {
    return this.#above.get(sha256)?.issuers ?? []
  }

  /** Whether the issuer may have signed the child, as far as is known, and an authority may vouch for the issuer. */
  isOpen(issuer: Certificate, child: Certificate): boolean {
    const isVouchable = this.isAuthority(issuer) || this.#reachable.has(issuer.sha256)
    return isVouchable && !this.#isRefuted(issuer, child)
  }

  /**
   * As `checkSignature`, once for each child and issuer. When an authority did not sign what names it, all others that name
   * one are verified as well: what is not an authority's after all does not have to be searched.
   */
  verify(child: Certificate, issuer: Certificate): Refusal | undefined {
    const refusal = this.#verifyOnce(child, issuer)
    if (refusal !== undefined && this.isAuthority(issuer)) this.#settle()
    return refusal
  }

  /** What `verify` found, undefined where it was not called or found the signature valid. */
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

  /** Takes away an issuer that may sign nothing, whatever is below it. */
  exclude({ sha256 }: Certificate): void {
    this.#excluded.add(sha256)
    this.#reachable = this.#findReachable()
  }

  #isRefuted(issuer: Certificate, child: Certificate): boolean {
    return this.#excluded.has(issuer.sha256) || this.#verdicts.get(keyOf(issuer, child)) !== undefined
  }

  /** Finds what may lie between the leaf and an authority, by names. */
  #noteAbove(leaf: Certificate): void {
    const certificates = [leaf]
    for (const child of certificates) {
      if (this.#above.has(child.sha256)) continue
      const likelihood = (candidate: Certificate): number =>
        (candidate.subjectKeyId === child.authorityKeyId ? 2 : 0) + (this.isAuthority(candidate) ? 1 : 0)
      const namesakes = this.#candidates
        .filter((candidate) => isSameName(candidate.subject, child.issuer))
        // Of an authority that was renewed with its key, the path by the old certificate would end first.
        .toSorted((one, other) => likelihood(other) - likelihood(one) || other.notAfter - one.notAfter)
      const issuers = namesakes.filter((namesake) => isNamedIssuer(namesake, child))
      this.#above.set(child.sha256, { child, namesakes, issuers })
      certificates.push(...issuers.filter((issuer) => !this.isAuthority(issuer)))
    }
  }

  /** The certificates to which an authority leads by steps that are not refuted. */
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

/** A certificate between the leaf and an authority, the leaf included, and what may have issued it. */
interface Above {
  readonly child: Certificate
  readonly namesakes: readonly Certificate[]
  readonly issuers: readonly Certificate[]
}

function keyOf(issuer: Certificate, child: Certificate): string {
  return `${issuer.sha256}${child.sha256}`
}
