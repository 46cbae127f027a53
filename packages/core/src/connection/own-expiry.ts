import { type AuthoritySet, describeCertificate, endOfValidity } from '@countersign/spiffe/internal'
import { SpiffeId, type Certificate } from '@countersign/spiffe'
import type { SourceEvent } from '../events.ts'
import type { TrustState } from './material-gate.ts'
import { callAt } from './long-timer.ts'

/** A certificate that this service depends on and how much of its life remains, as an event reports it. */
export type Expiring = Pick<SourceEvent, 'of' | 'trustDomain' | 'detail' | 'remaining' | 'expiresAt'>

/** When it is told that a certificate will expire: shares of its life that remain, so that hours and years both have time. */
const shares: readonly number[] = [0.5, 0.2, 0.05]

/** Below this share a certificate should have been renewed: what renews it does not work. */
export const overdueShare = 0.2

/** Epoch milliseconds, both. */
interface Life {
  readonly notBefore: number
  readonly expiresAt: number
}

interface Watched extends Life {
  readonly of: 'own' | 'authority'
  readonly trustDomain?: string
  /** Which one, for people. */
  readonly what: string
  /** What is wrong with that, for people. */
  readonly why?: string
}

/**
 * Reports in time that our own certificate or an authority will expire: when half, a fifth and a twentieth of its life
 * remain, each once. At start only a fifth and less are reported, since many authorities live on for years after their
 * half. An authority that a younger one of its trust domain outlives is not reported: that one has taken its place.
 */
export class OwnExpiry {
  readonly #report: (expiring: Expiring) => void
  #reported: ReadonlyMap<string, number> = new Map()
  #watched: ReadonlyMap<string, Watched> = new Map()
  #stop: () => void = () => undefined

  constructor(report: (expiring: Expiring) => void) {
    this.#report = report
  }

  /** Watches this material in place of what was there; undefined watches nothing. */
  watch(accepted: TrustState | undefined, now: number): void {
    this.#watched = accepted === undefined ? new Map() : listWatched(accepted)
    // Kept while there is nothing to watch, so that a source which comes and goes does not say everything again.
    if (accepted !== undefined) {
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
    // Last: a listener may put new material in place at once.
    for (const expiring of due) this.#report(expiring)
  }
}

/** Epoch milliseconds: the moment at which this share of the life remains. */
export function timeWhenLeft({ notBefore, expiresAt }: Life, share: number): number {
  return expiresAt - (expiresAt - notBefore) * share
}

// Half is taken as told of a certificate that is found beyond it.
function firstShare(each: Watched, now: number): number {
  return now >= timeWhenLeft(each, 0.5) ? 0.5 : 1
}

function describeExpiring({ of, trustDomain, what, why, expiresAt }: Watched, remaining: number): Expiring {
  const end = new Date(expiresAt).toISOString()
  const detail = `${what} expires at ${end}: less than ${remaining * 100} % of its life remain`
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
  // With the end, because under renewed authorities the same leaf lives longer.
  return new Map([...trust.bundles.flatMap(listLast), [`${sha256} ${expiresAt}`, ours]])
}

/** The authorities of a bundle that have no successor in it: usually one. */
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
      why: 'and the bundle has no younger one that lives longer',
      notBefore,
      expiresAt: endOfValidity(authority),
      ...(trustDomain !== undefined && { trustDomain }),
    } as const
    return [sha256, watched]
  })
}

/** Whether one authority is younger than another, lives longer and begins in time; of two alike the later one does. */
function succeeds(younger: Certificate, older: Certificate, isLater: boolean): boolean {
  if (younger.notBefore === older.notBefore && younger.notAfter === older.notAfter) return isLater
  return (
    younger.notBefore >= older.notBefore && younger.notAfter >= older.notAfter && younger.notBefore <= older.notAfter
  )
}
