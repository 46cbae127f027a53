import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import test from 'node:test'
import { createEnding, waitForEnd } from '../../packages/cli/src/ending.ts'

class EventfulProcess extends EventEmitter {
  readonly stdout = new EventEmitter()
  readonly stderr = new EventEmitter()
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  test(`${signal} stops a long-running command, even if sent twice, and is ignored for other commands`, async () => {
    const process = new EventfulProcess()
    const ending = createEnding(process)
    assert.equal(process.listenerCount(signal), 0)
    const ended = ending.stayUntilEnded()
    assert.equal(ended.aborted, false)
    const waiting = waitForEnd(ended)
    assert.deepEqual([process.emit(signal), process.emit(signal)], [true, true])
    await waiting
    assert.equal(ended.aborted, true)
  })
}

for (const stream of ['stdout', 'stderr'] as const) {
  for (const code of ['EPIPE', 'EIO']) {
    test(`a closed ${stream} (${code}) stops a long-running command`, async () => {
      const process = new EventfulProcess()
      const ending = createEnding(process)
      process[stream].emit('error', Object.assign(new Error('write'), { code }))
      await waitForEnd(ending.stayUntilEnded())
    })
  }

  test(`another error of ${stream} is a bug and is rethrown`, () => {
    const process = new EventfulProcess()
    const ending = createEnding(process)
    const fault = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    assert.throws(() => process[stream].emit('error', fault), fault)
    assert.equal(ending.stayUntilEnded().aborted, false)
  })
}

test('a command that is stopped before it waits does not wait', async () => {
  await waitForEnd(AbortSignal.abort())
})
