import { parseCertificates } from '../certificate/pem.ts'
import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isSameName } from '../certificate/distinguished-name.ts'
import { SourceError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import type { X509Material, X509Source } from '../trust/x509-source.ts'

/** Material that the guard works with, and what of it concerns peers. */
export interface Accepted {
  readonly material: X509Material
  /** The bundles of the trust domains whose callers are authenticated, and no others. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** Our own intermediates: they complete the chains of peers on Node versions that show the leaf alone. */
  readonly ownIntermediates: readonly Certificate[]
}

/** What a guard was pinned to at its start. */
export interface Pins {
  readonly localTrustDomain: string
  readonly trustDomains: readonly string[]
}

/**
 * Stands between the source and everything that uses its material: takes a new one only if it names the same trust
 * domain as at start, and gives none once our own SVID has expired or the source has none.
 */
export class AcceptedMaterial {
  readonly #source: X509Source
  readonly #pins: Pins
  readonly #report: Reporter
  #offered: X509Material | undefined
  #accepted: Accepted | undefined
  #isLost = false

  constructor(source: X509Source, pins: Pins, report: Reporter) {
    this.#source = source
    this.#pins = pins
    this.#report = report
  }

  /** What holds at `now` (epoch milliseconds), or undefined when nobody can be authenticated. */
  current(now: number): Accepted | undefined {
    const offered = this.#read(now)
    if (offered === undefined) return undefined
    if (offered !== this.#offered) this.#takeOrRefuse(offered, now)
    const accepted = this.#accepted
    return accepted !== undefined && now < accepted.material.svid.expiresAt ? accepted : undefined
  }

  #read(now: number): X509Material | undefined {
    try {
      const offered = this.#source.current
      this.#isLost = false
      return offered
    } catch (error) {
      if (!this.#isLost) {
        const { code, message } = toSourceError(error)
        this.#report({ type: 'source', outcome: 'lost', at: now, code, detail: message })
      }
      this.#isLost = true
      return undefined
    }
  }

  #takeOrRefuse(offered: X509Material, now: number): void {
    this.#offered = offered
    try {
      this.#take(offered, now)
    } catch (error) {
      // A source that is not ours can offer anything; what was there stays.
      const { message } = toSourceError(error)
      this.#report({ type: 'source', outcome: 'refused', at: now, code: 'update_refused', detail: message })
    }
  }

  #take(offered: X509Material, now: number): void {
    const { svid } = offered
    const about = { spiffeId: svid.spiffeId.toString(), serialNumber: svid.serialNumber, expiresAt: svid.expiresAt }
    const { localTrustDomain, trustDomains } = this.#pins
    if (svid.spiffeId.trustDomain !== localTrustDomain) {
      const detail = `found an SVID of ${svid.spiffeId.trustDomain}, expected ${localTrustDomain} as at start; what was there stays`
      this.#report({ type: 'source', outcome: 'refused', at: now, code: 'update_refused', detail, ...about })
      return
    }
    const isFirst = this.#accepted === undefined
    const bundles = new Map([...offered.bundles].filter(([trustDomain]) => trustDomains.includes(trustDomain)))
    const ownIntermediates = parseCertificates(svid.certificatePem).slice(1)
    this.#accepted = { material: offered, bundles, ownIntermediates }
    const detail = isFirst ? 'the first material' : 'new material'
    this.#report({ type: 'source', outcome: 'updated', at: now, detail, ...about })
    for (const bundle of bundles.values()) this.#warn(bundle, now)
  }

  #warn(bundle: X509Bundle, now: number): void {
    const authority = findIndistinct(bundle)
    if (authority === undefined) return
    const detail = `bundle of ${bundle.trustDomain}: ${describeCertificate(authority)} shares its name with another authority and has no key id, so OpenSSL refuses what it issued; give authorities key ids or names of their own`
    this.#report({ type: 'source', outcome: 'warning', at: now, code: 'authority_unusable', detail })
  }
}

function toSourceError(cause: unknown): SourceError {
  if (cause instanceof SourceError) return cause
  const detail = cause instanceof Error ? cause.message : 'it threw something that is no error'
  return new SourceError('source_empty', `the source has no material: ${detail}`, { cause })
}

// OpenSSL tells authorities of one name apart by their key ids only, and without them never tries the second.
function findIndistinct(bundle: X509Bundle): Certificate | undefined {
  return bundle.authorities.find((authority, index) =>
    bundle.authorities.some(
      (other, otherIndex) =>
        otherIndex < index && authority.subjectKeyId === undefined && isSameName(other.subject, authority.subject),
    ),
  )
}
