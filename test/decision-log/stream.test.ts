import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { PassThrough, Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { decisionLog } from '@countersign/core'
import { spawnProgram } from '../guard/spawn-program.ts'
import { denied, idOf, parseLines, publish } from './lines.ts'
import { waitUntil } from '../support/wait-until.ts'

const denial = { ...denied, principal: idOf('mailer') }

/** A stream whose writes complete when `release` is called. */
function createStuckStream(): { stream: Writable; chunks: Buffer[]; release: () => void } {
  const chunks: Buffer[] = []
  let release: (() => void) | undefined
  let isReleased = false
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      if (isReleased) done()
      else release = done
    },
  })
  return {
    stream,
    chunks,
    release: () => {
      isReleased = true
      release?.()
    },
  }
}

test('writes to a stream and leaves it open', async () => {
  const stream = new PassThrough()
  const log = decisionLog({ stream })
  publish(denial)
  await log.reopen()
  await log.close()
  assert.equal(stream.writableEnded, false)
  assert.deepEqual([stream.listenerCount('error'), stream.listenerCount('close')], [0, 0])
  stream.end()
  const text = (await stream.toArray()).join('')
  assert.equal(parseLines(text).length, 1)
})

test('a stream that never drains holds one chunk, and further decisions are counted', async () => {
  const { stream, chunks, release } = createStuckStream()
  const log = decisionLog({ stream, maxQueueBytes: 65_536 })
  for (let index = 0; index < 100; index += 1) publish(denial)
  await waitUntil(() => chunks.length !== 0)
  for (let index = 0; index < 1000; index += 1) publish(denial)
  assert.ok(stream.writableLength <= 64 * 1024)
  const { queue, rate, failed } = log.dropped
  assert.ok(queue > 700 && queue < 1000, `${queue}`)
  assert.deepEqual([rate, failed], [0, 0])
  release()
  await log.close()
  assert.ok(chunks.every((chunk) => chunk.length <= 64 * 1024 + 200))
  const lines = parseLines(chunks.join(''))
  const dropped = lines.filter(({ type }) => type === 'dropped')
  assert.deepEqual(
    dropped.map((line) => line['queue']),
    [queue],
  )
  assert.equal(lines.length - 1 + queue, 1100)
})

test('close gives up a stream that never drains, and counts what it held', async () => {
  const { stream, chunks } = createStuckStream()
  const log = decisionLog({ stream })
  for (let index = 0; index < 10; index += 1) publish(denial)
  await waitUntil(() => chunks.length !== 0)
  for (let index = 0; index < 5; index += 1) publish(denial)
  await log.close({ timeoutMs: 20 })
  assert.deepEqual(log.dropped, { rate: 0, queue: 0, failed: 15 })
  publish(denial)
  assert.equal(log.dropped.failed, 15, 'a closed log hears nothing')
})

test('close can be called twice, and by `await using`', async () => {
  const stream = new PassThrough()
  {
    await using log = decisionLog({ stream })
    publish(denial)
    await Promise.all([log.close(), log.close()])
  }
  publish(denial)
  assert.equal(parseLines(String(stream.read())).length, 1)
})

describe('a broken stream does not end the process, and lines are counted:', () => {
  const broken: Readonly<Record<string, () => Writable>> = {
    'its write fails': () => new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) }),
    'its write throws': () =>
      new Writable({
        write() {
          // After that, Node.js calls no callback of this stream.
          throw new Error('disk full')
        },
      }),
    'its write throws a value': () =>
      Object.assign(new PassThrough(), {
        write: () => {
          // oxlint-disable-next-line typescript/only-throw-error
          throw 'disk full'
        },
      }),
    'it has ended': () => new PassThrough().end(),
    'it is destroyed': () => new PassThrough().destroy(),
    'it is destroyed with an error, later': () => {
      const stream = new PassThrough()
      setImmediate(() => stream.destroy(new Error('gone')))
      return stream
    },
    'it is destroyed during a write': () => {
      const stream = new Writable({
        write() {
          setImmediate(() => this.destroy())
        },
      })
      return stream
    },
  }
  for (const [what, create] of Object.entries(broken)) {
    test(what, async () => {
      const errors: Error[] = []
      const stream = create()
      const log = decisionLog({
        stream,
        onError: (error) => {
          errors.push(error)
          throw new Error('the application fails too')
        },
      })
      publish(denial)
      publish(denial)
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
      publish(denial)
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
      publish(denial)
      await log.close({ timeoutMs: 3_600_000 })
      assert.equal(errors.length, 1)
      const { failed } = log.dropped
      assert.ok(failed === 4 || (what.endsWith('later') && failed === 2), `${failed}`)
    })
  }
})

test('a stream that breaks while nothing is written is reported with the next decision', async () => {
  const errors: Error[] = []
  const stream = new PassThrough()
  const log = decisionLog({ stream, onError: (error) => void errors.push(error) })
  stream.destroy(new Error('gone'))
  await new Promise(setImmediate)
  assert.deepEqual(errors, [])
  publish(denial)
  publish(denial)
  await new Promise(setImmediate)
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['gone'],
  )
  await log.close()
  assert.equal(log.dropped.failed, 2)
})

test('a closed pipe neither ends the process nor fails it', async () => {
  const program = `
    import { channel } from 'node:diagnostics_channel'
    import { decisionLog } from '@countersign/core'
    const log = decisionLog({ stream: process.stdout })
    for (let round = 0; round < 50; round += 1) {
      channel('countersign:decision').publish(${JSON.stringify({ type: 'decision', at: 0, method: 'GET', path: '/', ...denial })})
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await log.close()
    console.error(log.dropped.failed > 0 ? 'counted' : 'lost')
  `
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', `set -o pipefail; "$0" --input-type=module -e "$1" | true`, process.execPath, program],
    { cwd: import.meta.dirname, encoding: 'utf8' },
  )
  assert.equal(status, 0)
  assert.match(stderr, /CountersignWarning: decision log: 'write EPIPE'/)
  assert.match(stderr, /counted\n$/)
})

test('a flood uses no more memory than the queue, whatever it contains', async () => {
  const { status, printed } = await spawnProgram(
    `
    import { channel } from 'node:diagnostics_channel'
    import { Writable } from 'node:stream'
    import { decisionLog } from '@countersign/core'
    const maxQueueBytes = 4 * 1024 * 1024
    const log = decisionLog({ stream: new Writable({ write() {} }), maxQueueBytes, sampleAllowed: 1 })
    const used = () => {
      for (let turn = 0; turn < 3; turn += 1) gc()
      const { heapUsed, external, arrayBuffers } = process.memoryUsage()
      return heapUsed + external + arrayBuffers
    }
    const decisions = channel('countersign:decision')
    const publish = (index) => decisions.publish({
      type: 'decision', effect: 'allow', at: 0, method: 'GET', rule: 0,
      path: '/' + index + (index % 2 ? '\\u2028' : 'a').repeat(index % 200),
      principal: 'spiffe://saas.example/caller-' + index + (index % 3 ? '\\u2028' : ''),
    })
    publish(0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const before = used()
    for (let index = 0; index < 100_000; index += 1) publish(index)
    const growth = used() - before
    // The callers that were seen have a bound of their own.
    console.log(log.dropped.queue > 50_000 && growth < maxQueueBytes + 2.5 * 1024 * 1024 ? 'bounded' : growth)
    process.exit()
  `,
    ['--expose-gc'],
  )
  assert.deepEqual([status, printed], [0, 'bounded\n'])
})
