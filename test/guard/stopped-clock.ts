import type { TestContext } from 'node:test'

/** A clock that stands still until a test moves or sets it. */
export interface StoppedClock {
  /** Lets time pass, in steps of a minute, and timers fire in it; what a clock that was set says has no part in that. */
  readonly pass: (milliseconds: number) => void
  /** Sets what `Date.now()` gives (epoch milliseconds); timers do not notice. */
  readonly set: (now: number) => void
}

/** From here to the end of the test the clock stands at `now` (epoch milliseconds). */
export function stopClock({ mock }: TestContext, now: number): StoppedClock {
  let clock = now
  mock.timers.enable({ apis: ['setTimeout'] })
  mock.method(Date, 'now', () => clock)
  return {
    pass: (milliseconds) => {
      for (let rest = milliseconds; rest > 0; rest -= 60_000) {
        const step = Math.min(rest, 60_000)
        clock += step
        mock.timers.tick(step)
      }
    },
    set: (time) => {
      clock = time
    },
  }
}
