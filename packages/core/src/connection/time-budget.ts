/**
 * A share of the time of this process that may be spent on something that can be left undone: CPU time of at most a tenth
 * of the time that passes, and a tenth of a second at once. CPU time, because on a busy machine a process also waits.
 */
export class TimeBudget {
  readonly #clocks: Clocks
  #left = mostAtOnce
  #last: number

  /** @param clocks give milliseconds that never go back; a test gives its own */
  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks
    this.#last = clocks.passed()
  }

  /** Runs it and charges what it takes; returns undefined, without running it, while nothing is left. */
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

/** Milliseconds that have passed, and milliseconds of CPU that this process has spent. */
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
