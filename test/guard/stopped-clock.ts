import type { TestContext } from 'node:test'

/** A clock that stands still until a test advances or sets it. */
export interface StoppedClock {
  /** Advances time in steps of a minute and fires timers, independently of a clock that was set. */
  readonly pass: (milliseconds: number) => void
  /** Sets the value of `Date.now()` (epoch milliseconds); timers do not notice. */
  readonly set: (now: number) => void
}

/** Stops the clock at `now` (epoch milliseconds) for the rest of the test. */
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
