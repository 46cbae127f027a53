import { type AuthoritySet, describeCertificate, endOfValidity } from '@countersign/spiffe/internal'
import { SpiffeId, type Certificate } from '@countersign/spiffe'
import type { SourceEvent } from '../events.ts'
import type { TrustState } from './material-gate.ts'
import { callAt } from './long-timer.ts'

/** A certificate that this service depends on and how much of its lifetime remains, as an event reports it. */
export type Expiring = Pick<SourceEvent, 'of' | 'trustDomain' | 'detail' | 'remaining' | 'expiresAt'>

/**
 * The remaining fractions of a lifetime at which expiry is reported. Fractions suit lifetimes of hours as well as
 * years.
 */
const shares: readonly number[] = [0.5, 0.2, 0.05]

/** Below this remaining fraction a certificate should have been renewed, so its renewal has probably failed. */
export const overdueShare = 0.2

/** Epoch milliseconds. */
interface Validity {
  readonly notBefore: number
  readonly expiresAt: number
}

interface Watched extends Validity {
  readonly of: 'own' | 'authority'
  readonly trustDomain?: string
  /** Which certificate it is, in words. */
  readonly what: string
  /** Why that is a problem, in words. */
  readonly why?: string
}

/**
 * Reports that our own certificate or an authority will expire: once each when a half, a fifth and a twentieth of its
 * lifetime remain. At startup, only a fifth or less is reported, because many authorities are valid for years after
 * half of their lifetime. An authority is not reported if its trust domain has a newer one that expires later and so
 * replaces it.
 */
export class OwnExpiry {
  readonly #report: (expiring: Expiring) => void
  #reported: ReadonlyMap<string, number> = new Map()
  #watched: ReadonlyMap<string, Watched> = new Map()
  #stop: () => void = () => undefined

  constructor(report: (expiring: Expiring) => void) {
    this.#report = report
  }

  /** Watches this material instead of the previous one. Undefined watches nothing. */
  watch(trustState: TrustState | undefined, now: number): void {
    this.#watched = trustState === undefined ? new Map() : listWatched(trustState)
    // Kept while there is nothing to watch, so that a source that comes and goes does not repeat its reports.
    if (trustState !== undefined) {
      this.#reported = new Map(
        [...this.#watched].map(([id, each]) => [id, this.#reported.get(id) ?? firstShare(each, now)]),
      )
    }
    this.#next(now)
  }

  #next(now: number): void {
    this.#stop()
    let soonest = Infinity
    const due: Expiring[] = []
    const told = new Map(this.#reported)
    for (const [id, each] of this.#watched) {
      const last = told.get(id) ?? 1
      const reached = shares.filter((share) => now >= timeWhenLeft(each, share)).at(-1)
      if (reached !== undefined && reached < last && now < each.expiresAt) {
        told.set(id, reached)
        due.push(describeExpiring(each, reached))
      }
      const coming = shares.map((share) => timeWhenLeft(each, share)).find((moment) => moment > now)
      if (coming !== undefined) soonest = Math.min(soonest, coming)
    }
    this.#reported = told
    if (soonest !== Infinity) this.#stop = callAt(soonest, () => this.#next(Date.now()))
    // Report last, because a listener may replace the material immediately.
    for (const expiring of due) this.#report(expiring)
  }
}

/** Returns when this fraction of the lifetime remains, in epoch milliseconds. */
export function timeWhenLeft({ notBefore, expiresAt }: Validity, share: number): number {
  return expiresAt - (expiresAt - notBefore) * share
}

// If less than half of the lifetime remains when a certificate is first found, the half counts as reported.
function firstShare(each: Watched, now: number): number {
  return now >= timeWhenLeft(each, 0.5) ? 0.5 : 1
}

function describeExpiring({ of, trustDomain, what, why, expiresAt }: Watched, remaining: number): Expiring {
  const end = new Date(expiresAt).toISOString()
  const detail = `${what} expires at ${end}: less than ${remaining * 100} % of its lifetime remains`
  return {
    of,
    ...(trustDomain !== undefined && { trustDomain }),
    detail: why === undefined ? detail : `${detail}, ${why}`,
    remaining,
    expiresAt,
  }
}

function listWatched({ own, trust }: TrustState): ReadonlyMap<string, Watched> {
  const { sha256, notBefore, expiresAt } = own
  const ours = {
    of: 'own',
    what: 'our own certificate',
    notBefore,
    expiresAt,
    ...('spiffeId' in own && own.spiffeId instanceof SpiffeId && { trustDomain: own.spiffeId.trustDomain }),
  } as const
  // The key includes the expiry, because under renewed authorities the same leaf is valid for longer.
  return new Map([...trust.bundles.flatMap(listLast), [`${sha256} ${expiresAt}`, ours]])
}

/** Returns the authorities of a bundle that have no successor in it, usually one. */
function listLast({ trustDomain, authorities }: AuthoritySet): readonly (readonly [string, Watched])[] {
  const last = authorities.filter(
    (authority, index) => !authorities.some((other, otherIndex) => succeeds(other, authority, otherIndex > index)),
  )
  return last.map((authority) => {
    const { sha256, notBefore } = authority
    const whose = trustDomain === undefined ? '' : ` of ${trustDomain}`
    const watched = {
      of: 'authority',
      what: `the authority ${describeCertificate(authority)}${whose}`,
      why: 'and the bundle has no newer authority that expires later',
      notBefore,
      expiresAt: endOfValidity(authority),
      ...(trustDomain !== undefined && { trustDomain }),
    } as const
    return [sha256, watched]
  })
}

/**
 * Returns whether one authority is younger than another, outlives it and starts before it expires. Of two with the same
 * dates, the later one in the list succeeds.
 */
function succeeds(younger: Certificate, older: Certificate, isLater: boolean): boolean {
  if (younger.notBefore === older.notBefore && younger.notAfter === older.notAfter) return isLater
  return (
    younger.notBefore >= older.notBefore && younger.notAfter >= older.notAfter && younger.notBefore <= older.notAfter
  )
}
