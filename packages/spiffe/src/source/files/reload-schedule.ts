/** Says when a load follows another; gives whether the next one should come soon, because this one failed. */
export type ScheduledLoad = (isRepetition: boolean) => Promise<boolean>

/**
 * Calls for loads, one at a time: at rest after a change, soon after a failed one, and now and then in any case. Its
 * timer keeps no process alive.
 */
export class ReloadSchedule {
  readonly #load: ScheduledLoad
  #pollMs: number
  /** These are moments of `performance.now()`, which no setting of the clock moves. */
  #pollAt: number
  #repeatAt: number | undefined
  #changes: { readonly first: number; readonly last: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #loading: Promise<void> | undefined
  #isClosed = false

  constructor(pollMs: number, load: ScheduledLoad) {
    this.#load = load
    this.#pollMs = pollMs
    this.#pollAt = performance.now() + pollMs
    this.#arm()
  }

  /** Something changed: a load follows once it has been quiet for 50 ms, after 500 ms at the latest. */
  change(): void {
    const now = performance.now()
    this.#changes = { first: this.#changes?.first ?? now, last: now }
    this.#arm()
  }

  /** From now on a load comes after this many milliseconds without another one. */
  pollEvery(pollMs: number): void {
    if (pollMs === this.#pollMs) return
    this.#pollMs = pollMs
    this.#pollAt = performance.now() + pollMs
    this.#arm()
  }

  /** Ends it, and waits for a load that is going on. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#loading
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#isClosed || this.#loading !== undefined) return
    const delay = Math.max(0, Math.ceil(this.#nextAt() - performance.now()))
    this.#timer = setTimeout(() => this.#start(), delay).unref()
  }

  #nextAt(): number {
    // While somebody writes, neither a poll nor a repetition would see more than a half.
    if (this.#changes !== undefined) return Math.min(this.#changes.last + quietMs, this.#changes.first + mostQuietMs)
    return Math.min(this.#pollAt, this.#repeatAt ?? Infinity)
  }

  #start(): void {
    const isRepetition = this.#repeatAt !== undefined && performance.now() >= this.#repeatAt
    if (isRepetition) this.#repeatAt = undefined
    this.#changes = undefined
    this.#loading = this.#load(isRepetition).then((isSoon) => {
      const now = performance.now()
      this.#pollAt = now + this.#pollMs
      this.#repeatAt = isSoon ? (this.#repeatAt ?? now + repeatMs) : undefined
      this.#loading = undefined
      this.#arm()
    })
  }
}

const quietMs = 50
const mostQuietMs = 500
const repeatMs = 500
