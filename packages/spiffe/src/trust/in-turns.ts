import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds. */
const turn = 4

/** Runs the steps in turns of a few milliseconds, so that requests and handshakes are answered in between. */
export async function runInTurns(steps: Iterator<unknown, unknown>): Promise<void> {
  let endOfTurn = performance.now() + turn
  while (steps.next().done !== true) {
    if (performance.now() < endOfTurn) continue
    await nextTurn()
    endOfTurn = performance.now() + turn
  }
}

/** Runs all steps at once and returns the result. */
export function runAtOnce<Result>(steps: Iterator<unknown, Result>): Result {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
