/**
 * A share of the time of this process that may be spent on something that can be left undone: at most a tenth of it, and a
 * tenth of a second at once.
 */
export class TimeBudget {
  readonly #clock: () => number
  #left = mostAtOnce
  #last: number

  /** @param clock gives milliseconds that never go back; a test gives its own */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
    this.#last = clock()
  }

  /** Runs it and charges what it takes; returns undefined, without running it, while nothing is left. */
  spend<Value>(run: () => Value): Value | undefined {
    const start = this.#clock()
    this.#left = Math.min(mostAtOnce, this.#left + (start - this.#last) * share)
    this.#last = start
    if (this.#left <= 0) return undefined
    try {
      return run()
    } finally {
      this.#left -= this.#clock() - start
    }
  }
}

/** Milliseconds. */
const mostAtOnce = 100

const share = 0.1
