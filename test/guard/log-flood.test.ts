import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { channels, type CountersignEvent, createGuard, denyAll } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, type Running, serve, type TestSource } from '@countersign/testkit'
import { spawnProgram } from './spawn-program.ts'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'

interface Flooded {
  readonly running: Running
  readonly source: TestSource
  readonly close: () => Promise<void>
  /** The logged events. */
  readonly logged: readonly CountersignEvent[]
  /** The events of a channel. */
  readonly published: readonly unknown[]
}

async function start(context: TestContext, channel: string, throws = false): Promise<Flooded> {
  const logged: CountersignEvent[] = []
  const log = (event: CountersignEvent): void => {
    if (event.type === 'source') return
    logged.push(event)
    if (throws) throw new Error('the disk is full')
  }
  const source = await authority.source(ours)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: denyAll() }], log })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.writeHead(isDenial(verdict) ? verdict.status : 200).end()
  })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= running.close())
  context.after(close)
  const published: unknown[] = []
  const note = (event: unknown): void => void published.push(event)
  subscribe(channel, note)
  context.after(() => unsubscribe(channel, note))
  return { running, source, close, logged, published }
}

async function send(port: number, bytes: string): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  socket.end(bytes, 'latin1')
  await once(socket.resume(), 'close')
}

const countOf = (event: CountersignEvent): number => ('repeated' in event ? (event.repeated ?? 1) : 1)
const total = (events: readonly CountersignEvent[]): number => events.reduce((sum, event) => sum + countOf(event), 0)

for (const throws of [false, true]) {
  const log = throws ? 'a log that throws' : 'the log'
  test(`five bytes from an unknown client, 300 times, are a line and a count in ${log}, and 300 events on the channel`, async (context) => {
    const { running, close, logged, published } = await start(context, channels.authentication, throws)
    for (let count = 0; count < 30; count += 1) {
      await Promise.all(Array.from({ length: 10 }, () => send(running.port, 'GET /')))
    }
    while (published.length < 300) await new Promise(setImmediate)
    const before = logged.length
    await close()
    assert.equal(published.length, 300)
    assert.equal(total(logged), 300)
    // One for each OpenSSL error.
    assert.ok(before <= 4, `${before} lines before the count`)
    assert.ok(logged.length <= 8, `${logged.length} lines`)
    assert.ok(logged.every((event) => 'remoteAddress' in event && event.remoteAddress === '127.0.0.1'))
  })
}

test('also counts bytes that break TLS in different ways', async (context) => {
  const { running, close, logged, published } = await start(context, channels.authentication)
  const kinds = [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\0\x05\x01\0\0\x01\0',
    '\x15\x03\x01\0\x02\x02\x28',
    'CONNECT',
    '\0',
    '',
  ]
  for (let count = 0; count < 60; count += 1) await send(running.port, kinds[count % kinds.length] ?? '')
  while (published.length < 40) await new Promise(setImmediate)
  await close()
  assert.equal(total(logged), published.length)
  assert.ok(logged.length < 30, `${logged.length} lines`)
})

test('counts callers without a certificate and of an unknown authority by reason', async (context) => {
  const { running, close, logged, published } = await start(context, channels.authentication)
  const strange = await createAuthority('saas.example')
  for (let count = 0; count < 10; count += 1) {
    await assert.rejects(running.as(await strange.issue(callerId)).fetch('/'))
  }
  while (published.length < 10) await new Promise(setImmediate)
  await close()
  assert.equal(total(logged), published.length)
  assert.ok(logged.length < 10, `${logged.length} lines`)
})

test('writes every denial of an authenticated caller', async (context) => {
  const { running, close, logged, published } = await start(context, channels.denial)
  const caller = running.as(await authority.issue(callerId))
  for (let count = 0; count < 40; count += 1) assert.equal((await caller.fetch('/')).status, 403)
  assert.deepEqual([logged.length, published.length], [40, 40])
  await close()
  assert.deepEqual([logged.length, total(logged)], [40, 40])
})

test('writes every request of an authenticated caller that cannot be parsed', async (context) => {
  const { running, logged, close } = await start(context, channels.denial)
  const caller = running.as(await authority.issue(callerId))
  for (let count = 0; count < 10; count += 1) assert.equal((await caller.fetch('/a%5Cb')).status, 400)
  await close()
  assert.deepEqual([logged.length, total(logged)], [10, 10])
})

test('writes every authenticated connection that new material closes', async (context) => {
  const { running, source, logged, published, close } = await start(context, channels.authentication)
  const caller = running.as(await authority.issue(callerId))
  const sockets = await Promise.all(Array.from({ length: 10 }, () => caller.connect()))
  while (published.length < 10) await new Promise(setImmediate)
  const ends = sockets.map((socket) => once(socket, 'close'))
  const next = await createAuthority('saas.example')
  source.replace({ svid: await next.issue(ours), bundles: { 'saas.example': next.bundlePem } })
  await Promise.all(ends)
  await close()
  assert.deepEqual([logged.length, total(logged)], [10, 10])
})

test('a pending count does not keep the process alive', async () => {
  const { status, printed } = await spawnProgram(`
    import { createGuard, authenticated } from '@countersign/core'
    import { createAuthority } from '@countersign/testkit'
    const authority = await createAuthority('saas.example')
    const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: ({ type }) => console.log(type) })
    const request = { method: 'GET', url: '/', headers: {}, rawHeaders: ['Host', 'a'], httpVersionMajor: 1, socket: {} }
    for (let count = 0; count < 3; count += 1) guard.admit(request)
  `)
  assert.deepEqual([status, printed], [0, 'denial\n'])
})
