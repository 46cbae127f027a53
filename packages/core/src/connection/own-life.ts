import { describeCertificate } from '../certificate/describe.ts'
import { endOfValidity } from '../certificate/path-checks.ts'
import type { Accepted } from './accepted-material.ts'
import { callAt } from './long-timer.ts'

/** A certificate that this service depends on, and how much of its life remains. */
export interface Expiring {
  /** Which one, for people. */
  readonly what: string
  /** Of the whole life of the certificate: 0.5, 0.2 or 0.05. */
  readonly remaining: number
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** When it is told that a certificate will expire: shares of its life that remain, so that hours and years both have time. */
const shares: readonly number[] = [0.5, 0.2, 0.05]

/** Below this share a certificate should have been renewed: what renews it does not work. */
export const overdueShare = 0.2

interface Watched {
  readonly what: string
  readonly notBefore: number
  readonly expiresAt: number
}

/**
 * Tells in time that our own certificate or an authority will expire: when half, a fifth and a twentieth of its life
 * remain, each once. At start only a fifth and less are worth a word, since many authorities live on for years after
 * their half.
 */
export class OwnLife {
  readonly #tell: (expiring: Expiring) => void
  #told: ReadonlyMap<string, number> = new Map()
  #watched: ReadonlyMap<string, Watched> = new Map()
  #stop: () => void = () => undefined

  constructor(tell: (expiring: Expiring) => void) {
    this.#tell = tell
  }

  /** Watches this material in place of what was there; undefined watches nothing. */
  watch(accepted: Accepted | undefined, now: number): void {
    this.#watched = accepted === undefined ? new Map() : listWatched(accepted)
    // Kept while there is nothing to watch, so that a source which comes and goes does not say everything again.
    if (accepted !== undefined) {
      this.#told = new Map([...this.#watched].map(([id, each]) => [id, this.#told.get(id) ?? firstShare(each, now)]))
    }
    this.#next(now)
  }

  #next(now: number): void {
    this.#stop()
    let soonest = Infinity
    const due: Expiring[] = []
    const told = new Map(this.#told)
    for (const [id, each] of this.#watched) {
      const last = told.get(id) ?? 1
      const reached = shares.filter((share) => now >= momentOf(each, share)).at(-1)
      if (reached !== undefined && reached < last && now < each.expiresAt) {
        told.set(id, reached)
        due.push({ what: each.what, remaining: reached, expiresAt: each.expiresAt })
      }
      const coming = shares.map((share) => momentOf(each, share)).find((moment) => moment > now)
      if (coming !== undefined) soonest = Math.min(soonest, coming)
    }
    this.#told = told
    if (soonest !== Infinity) this.#stop = callAt(soonest, () => this.#next(Date.now()))
    // Last: a listener may put new material in place at once.
    for (const expiring of due) this.#tell(expiring)
  }
}

/** Epoch milliseconds: the moment at which this share of the life remains. */
export function momentOf({ notBefore, expiresAt }: Omit<Watched, 'what'>, share: number): number {
  return expiresAt - (expiresAt - notBefore) * share
}

// Half is taken as told of a certificate that is found beyond it.
function firstShare(each: Watched, now: number): number {
  return now >= momentOf(each, 0.5) ? 0.5 : 1
}

function listWatched({ own, trust }: Accepted): ReadonlyMap<string, Watched> {
  const authorities = trust.authorities.map((authority): readonly [string, Watched] => {
    const { sha256, notBefore } = authority
    return [
      sha256,
      { what: `the authority ${describeCertificate(authority)}`, notBefore, expiresAt: endOfValidity(authority) },
    ]
  })
  const { sha256, notBefore, expiresAt } = own
  // With the end, because under renewed authorities the same leaf lives longer.
  return new Map([...authorities, [`${sha256} ${expiresAt}`, { what: 'our own certificate', notBefore, expiresAt }]])
}
