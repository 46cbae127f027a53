import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { OpenStreams } from '../../packages/core/src/connection/open-streams.ts'

/** The parts of a Node session that concern streams. */
class Session extends EventEmitter {
  goaways = 0

  close(): void {
    this.goaways += 1
  }

  /** Opens a stream; the returned function ends it. */
  open(): () => void {
    const stream = new EventEmitter()
    this.emit('stream', stream)
    return () => void stream.emit('close')
  }
}

/** Longer than a client has to be quiet. */
const aWhile = 50

async function untilGoaway(session: Session): Promise<void> {
  while (session.goaways === 0) await wait(1)
}

test('drains a session without streams after it was quiet for a moment', async () => {
  const session = new Session()
  const streams = new OpenStreams(session)
  await wait(aWhile)
  assert.equal(session.goaways, 0)
  streams.drain()
  assert.equal(session.goaways, 0)
  await untilGoaway(session)
})

test('a stream that opens in that moment keeps the session open until all streams have ended', async () => {
  const session = new Session()
  const streams = new OpenStreams(session)
  streams.drain()
  const [endFirst, endSecond] = [session.open(), session.open()]
  await wait(aWhile)
  endFirst()
  await wait(aWhile)
  assert.equal(session.goaways, 0)
  endSecond()
  assert.equal(session.goaways, 0)
  const endThird = session.open()
  await wait(aWhile)
  assert.equal(session.goaways, 0)
  endThird()
  await untilGoaway(session)
})

test("'at once' waits only for open streams", () => {
  const session = new Session()
  const streams = new OpenStreams(session)
  const end = session.open()
  streams.drain()
  streams.drain('at once')
  assert.equal(session.goaways, 0)
  end()
  assert.equal(session.goaways, 1)

  const idle = new Session()
  new OpenStreams(idle).drain('at once')
  assert.equal(idle.goaways, 1)
})

test('keeps a session whose drain was cancelled', async () => {
  const session = new Session()
  const streams = new OpenStreams(session)
  streams.drain()
  streams.keep()
  await wait(aWhile)
  session.open()()
  await wait(aWhile)
  assert.equal(session.goaways, 0)
})

test('closes open streams and then waits for nothing', async () => {
  const session = new Session()
  const streams = new OpenStreams(session)
  streams.drain()
  streams.close()
  await wait(aWhile)
  assert.equal(session.goaways, 1)
  session.open()
  streams.close()
  assert.equal(session.goaways, 2)
})
