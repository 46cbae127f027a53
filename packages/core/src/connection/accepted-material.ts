import { parseCertificates } from '../certificate/pem.ts'
import type { Certificate } from '../certificate/certificate.ts'
import { CountersignError } from '../errors.ts'
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
    if (offered !== this.#offered) this.#take(offered, now)
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
        const code = error instanceof CountersignError ? error.code : 'source_empty'
        this.#report({ type: 'source', outcome: 'lost', at: now, code, detail: describe(error) })
      }
      this.#isLost = true
      return undefined
    }
  }

  #take(offered: X509Material, now: number): void {
    this.#offered = offered
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
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'the source threw something that is no error'
}
