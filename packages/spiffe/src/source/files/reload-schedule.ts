/** Runs one load. Returns whether to repeat it soon because it failed. */
export type ScheduledLoad = (isRepetition: boolean) => Promise<boolean>

/**
 * Schedules loads, one at a time: after a change once it is quiet, soon after a failed load, and at a regular interval.
 * Its timer does not keep the process alive.
 */
export class ReloadSchedule {
  readonly #load: ScheduledLoad
  #pollMs: number
  /** Times of `performance.now()`, which do not change when the clock is set. */
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

  /** Schedules a load after a change: once it has been quiet for 50 ms, or after 500 ms at the latest. */
  change(): void {
    const now = performance.now()
    this.#changes = { first: this.#changes?.first ?? now, last: now }
    this.#arm()
  }

  /** Sets the interval in milliseconds: a load runs when this time has passed since the last one. */
  pollEvery(pollMs: number): void {
    if (pollMs === this.#pollMs) return
    this.#pollMs = pollMs
    this.#pollAt = performance.now() + pollMs
    this.#arm()
  }

  /** Stops the schedule and waits for a running load. */
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
    // While files are being written, a poll or a repetition would only read part of them.
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
