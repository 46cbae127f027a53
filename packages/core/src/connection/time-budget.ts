/**
 * Limits the CPU time spent on optional work to a tenth of elapsed time, and to a tenth of a second at once. It counts
 * CPU time, because on a busy machine a process also waits.
 */
export class TimeBudget {
  readonly #clocks: Clocks
  #left = mostAtOnce
  #last: number

  /** @param clocks return milliseconds that never decrease; tests pass their own */
  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks
    this.#last = clocks.passed()
  }

  /** Runs a function and charges its CPU time. Returns undefined, without running it, while the budget is used up. */
  spend<Value>(run: () => Value): Value | undefined {
    const now = this.#clocks.passed()
    this.#left = Math.min(mostAtOnce, this.#left + (now - this.#last) * share)
    this.#last = now
    if (this.#left <= 0) return undefined
    const start = this.#clocks.spent()
    try {
      return run()
    } finally {
      this.#left -= this.#clocks.spent() - start
    }
  }
}

/** Elapsed milliseconds, and milliseconds of CPU time used by this process. */
interface Clocks {
  readonly passed: () => number
  readonly spent: () => number
}

const systemClocks: Clocks = {
  passed: () => performance.now(),
  spent: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
}

/** Milliseconds. */
const mostAtOnce = 100

const share = 0.1
