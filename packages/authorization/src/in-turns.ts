/** How to divide long work, so that requests are answered in between. */
export interface Turns {
  /** Returns the time in milliseconds, from any origin: `() => performance.now()`. */
  readonly now: () => number
  /** Resolves once other work has had its turn: on Node.js, `setImmediate` of `node:timers/promises`. */
  readonly pause: () => Promise<unknown>
}

/** Runs steps in turns of a few milliseconds and returns their result. */
export async function runInTurns<Result>(steps: Iterator<unknown, Result>, { now, pause }: Turns): Promise<Result> {
  let endOfTurn = now() + turn
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (now() < endOfTurn) continue
    await pause()
    endOfTurn = now() + turn
  }
}

/** Milliseconds. A turn can take longer: by one step, and by a garbage collection. */
const turn = 3

/** Runs all steps at once and returns their result. */
export function runAtOnce<Result>(steps: Iterator<unknown, Result>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
