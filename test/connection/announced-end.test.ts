import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { authority, callOn, Caller, isRefusedStream, life, openSession, start } from './announced-service.ts'

/*
 * The end of a caller's certificate on connections that are kept. The clock stands still, so that nothing depends on how
 * fast the machine is.
 */

for (const onExpiry of ['close', 'refuse'] as const) {
  for (const kind of ['https', 'http2'] as const) {
    test(`a caller over HTTP/1.1 that renews its certificate loses no call (onExpiry '${onExpiry}', ${kind})`, async (context) => {
      const service = await start(context, kind, onExpiry)
      const caller = new Caller(service, context)
      const statuses: unknown[] = []
      for (let before = 40; before >= -40; before -= 1) {
        if (before === 35) caller.svid = service.renewed
        service.passUntil(before)
        statuses.push((await caller.call()).status)
      }
      assert.deepEqual([...new Set(statuses)], [200])
      assert.equal(service.connections(), 2)
      assert.deepEqual(service.reasons(), [])
    })
  }

  test(`a caller over HTTP/2 that renews its certificate loses no call (onExpiry '${onExpiry}')`, async (context) => {
    const service = await start(context, 'http2', onExpiry)
    let svid = service.first
    let session = openSession(service, svid, context)
    const call = async (): Promise<number> => {
      if (session.closed) session = openSession(service, svid, context)
      // A stream that crosses GOAWAY was not processed, and clients send it again (RFC 9113 §8.7).
      return callOn(session).catch((error: unknown) => (isRefusedStream(error) ? call() : Promise.reject(error)))
    }
    const statuses = new Set<number>()
    for (let before = 40; before >= -40; before -= 1) {
      if (before === 35) svid = service.renewed
      service.passUntil(before)
      for (const status of await Promise.all([1, 2, 3, 4, 5].map(call))) statuses.add(status)
    }
    assert.deepEqual([...statuses], [200])
    assert.equal(service.connections(), 2)
    assert.deepEqual(service.reasons(), [])
  })

  test(`GOAWAY waits for open streams (onExpiry '${onExpiry}')`, async (context) => {
    const service = await start(context, 'http2', onExpiry)
    const [busy, idle] = [openSession(service, service.first, context), openSession(service, service.first, context)]
    const calls = [callOn(busy, '/held'), callOn(busy, '/held')]
    assert.equal(await callOn(idle), 200)
    assert.equal(await callOn(busy), 200)
    const going = once(busy, 'goaway')
    let isGoing = false
    busy.once('goaway', () => (isGoing = true))
    service.passUntil(30)
    await once(idle, 'close')
    service.passUntil(6)
    // A round trip on the connection itself: everything sent earlier has arrived by then.
    assert.equal(await callOn(busy), 200)
    service.held[0]?.end()
    assert.equal(await calls[0], 200)
    assert.equal(await callOn(busy), 200)
    assert.equal(isGoing, false)
    service.held[1]?.end()
    assert.equal(await calls[1], 200)
    await going
    if (!busy.destroyed) await once(busy, 'close')
  })

  test(`GOAWAY first waits for a quiet session, and later only for its streams (onExpiry '${onExpiry}')`, async (context) => {
    for (const [before, isClosed] of [
      [12, false],
      [8, true],
    ] as const) {
      const service = await start(context, 'http2', onExpiry)
      const session = openSession(service, service.first, context)
      const call = callOn(session, '/held')
      assert.equal(await callOn(session), 200)
      service.passUntil(before)
      service.held[0]?.end()
      assert.equal(await call, 200)
      if (!session.destroyed) await once(session, 'close')
      assert.deepEqual(service.closedWithStream, [isClosed])
      context.mock.reset()
      context.mock.timers.reset()
    }
  })

  test(`GOAWAY is sent at the latest shortly before expiry, and open streams continue (onExpiry '${onExpiry}')`, async (context) => {
    const service = await start(context, 'http2', onExpiry)
    const session = openSession(service, service.first, context)
    const call = callOn(session, '/held')
    assert.equal(await callOn(session), 200)
    const going = once(session, 'goaway', { signal: AbortSignal.timeout(20_000) })
    service.passUntil(4)
    await going
    service.held[0]?.end()
    assert.equal(await call, 200)
  })
}

for (const kind of ['https', 'http2'] as const) {
  test(`with 'refuse' a kept connection over HTTP/1.1 is refused once and closes with the refusal (${kind})`, async (context) => {
    const service = await start(context, kind, 'refuse')
    const caller = new Caller(service, context)
    assert.deepEqual(await caller.call(), { status: 200, connection: 'keep-alive' })
    caller.svid = service.renewed
    service.passUntil(0)
    assert.deepEqual(await caller.call(), { status: 403, connection: 'close' })
    for (let count = 0; count < 3; count += 1) assert.equal((await caller.call()).status, 200)
    assert.equal(service.connections(), 2)
    assert.deepEqual(service.reasons(), ['identity_expired'])
  })
}

test("with 'refuse' a clock that jumps past the expiry leaves no connection that is refused repeatedly", async (context) => {
  const service = await start(context, 'http2', 'refuse')
  const caller = new Caller(service, context)
  const session = openSession(service, service.first, context)
  assert.equal((await caller.call()).status, 200)
  assert.equal(await callOn(session), 200)
  caller.svid = service.renewed
  // No timer detects it, only the clock check of each request.
  service.clock.set(service.first.expiresAt + 1000)
  assert.deepEqual(await caller.call(), { status: 403, connection: 'close' })
  assert.equal(await callOn(session), 403)
  if (!session.destroyed) await once(session, 'close')
  assert.equal((await caller.call()).status, 200)
})

test('an announced expiry that a renewed authority postpones closes no session', async (context) => {
  const name = 'renewed'
  const short = await createAuthority('saas.example', { name, ttlSeconds: life })
  const long = await createAuthority('saas.example', { name, key: short.key, ttlSeconds: 2 * life })
  const service = await start(context, 'http2', 'close', short)
  const session = openSession(service, service.first, context)
  const call = callOn(session, '/held')
  assert.equal(await callOn(session), 200)
  const caller = new Caller(service, context)
  service.passUntil(20)
  assert.equal((await caller.call()).connection, 'close')
  service.source.replace({ bundles: { 'saas.example': [authority, long] } })
  service.held[0]?.end()
  assert.equal(await call, 200)
  assert.equal((await caller.call()).connection, 'keep-alive')
  service.passUntil(-20)
  assert.equal(await callOn(session), 200)
})
