import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { callAt } from '../../packages/core/src/connection/long-timer.ts'

test('waits longer than setTimeout can, and calls back once', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 })
  let calls = 0
  const days = 24 * 60 * 60 * 1000
  callAt(60 * days, () => (calls += 1))
  mock.timers.tick(25 * days)
  mock.timers.tick(25 * days)
  assert.equal(calls, 0)
  mock.timers.tick(10 * days)
  assert.equal(calls, 1)
  mock.timers.tick(60 * days)
  assert.equal(calls, 1)
  mock.timers.reset()
})

test('never calls back after it was cancelled, even after a first stretch', () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 })
  let calls = 0
  const days = 24 * 60 * 60 * 1000
  const stop = callAt(30 * days, () => (calls += 1))
  mock.timers.tick(26 * days)
  stop()
  mock.timers.tick(30 * days)
  assert.equal(calls, 0)
  mock.timers.reset()
})
