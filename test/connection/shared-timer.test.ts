import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedTimer } from '../../packages/core/src/connection/shared-timer.ts'

const minute = 60_000

test('calls back at near and far times, once each and never early', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const timers = new SharedTimer()
  const called: string[] = []
  const ahead: readonly (readonly [string, number])[] = [
    ['near', 1000],
    ['in a minute', minute],
    ['beyond', minute + 1],
    ['far', 90 * minute],
    ['longer than any timer', 40 * 24 * 60 * minute],
  ]
  for (const [name, wait] of ahead) timers.callAt(Date.now() + wait, () => called.push(name))
  let now = 0
  for (const [name, wait] of ahead) {
    advance(context.mock.timers, wait - 1 - now)
    assert.ok(!called.includes(name), `${name} came early`)
    advance(context.mock.timers, 1)
    now = wait
    assert.equal(called.at(-1), name)
  }
  assert.equal(called.length, ahead.length)
})

test('never calls back after cancellation, near or far', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const timers = new SharedTimer()
  const called: number[] = []
  const stops = [minute / 2, 2 * minute, 3 * minute].map((wait) =>
    timers.callAt(Date.now() + wait, () => called.push(wait)),
  )
  stops[0]?.()
  stops[1]?.()
  advance(context.mock.timers, 2.5 * minute)
  // By now it has its own timer.
  stops[2]?.()
  advance(context.mock.timers, 10 * minute)
  assert.deepEqual(called, [])
})

test('notices within a minute that the clock was set', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const timers = new SharedTimer()
  let called = 0
  timers.callAt(Date.now() + 10 * 60 * minute, () => (called += 1))
  context.mock.timers.setTime(Date.now() + 11 * 60 * minute)
  advance(context.mock.timers, minute)
  assert.equal(called, 1)
})

test('keeps no process alive', () => {
  new SharedTimer().callAt(Date.now() + 10 * minute, () => undefined)
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => name === 'Timeout'),
    [],
  )
})

// In steps, because a timer that is set by a timer does not fire within one step of the mock.
function advance(timers: { tick(milliseconds: number): void }, milliseconds: number): void {
  for (let left = milliseconds; left > 0; left -= minute) timers.tick(Math.min(left, minute))
}
