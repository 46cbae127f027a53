import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimeBudget } from '../../packages/core/src/connection/time-budget.ts'

/** A clock that advances with executed work, and by waiting. */
function createClock(): { now: () => number; wait: (milliseconds: number) => void } {
  let time = 5000
  return { now: () => time, wait: (milliseconds) => void (time += milliseconds) }
}

test('runs until a tenth of a second is used up, and then stops', () => {
  const { now, wait } = createClock()
  const budget = new TimeBudget({ passed: now, spent: now })
  const run = (): string => {
    wait(30)
    return 'done'
  }
  assert.deepEqual(
    Array.from({ length: 6 }, () => budget.spend(run)),
    ['done', 'done', 'done', 'done', undefined, undefined],
  )
})

test('regains a tenth of the elapsed time, and at most a tenth of a second', () => {
  const { now, wait } = createClock()
  const budget = new TimeBudget({ passed: now, spent: now })
  let runs = 0
  const spend = (milliseconds: number): void => {
    budget.spend(() => {
      runs += 1
      wait(milliseconds)
    })
  }
  // Overspends by 100, of which 20 are regained by the end.
  spend(200)
  wait(700)
  spend(1)
  assert.equal(runs, 1)
  wait(110)
  spend(1)
  assert.equal(runs, 2)
  wait(3_600_000)
  for (let count = 0; count < 200; count += 1) spend(1)
  // Spending takes time itself, during which more is regained.
  assert.ok(runs > 100 && runs < 130, String(runs))
})

test('also counts the time of a function that throws', () => {
  const { now, wait } = createClock()
  const budget = new TimeBudget({ passed: now, spent: now })
  const fail = (): never => {
    wait(200)
    throw new RangeError('broken')
  }
  assert.throws(() => budget.spend(fail), RangeError)
  assert.equal(
    budget.spend(() => 'run'),
    undefined,
  )
})
