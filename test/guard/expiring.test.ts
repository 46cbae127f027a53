import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { channels, type SourceEvent } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { stopClock } from './stopped-clock.ts'
import { createWatched, day, ours, serveWatched, sourceEvents, type Watched } from './watched-service.ts'

const hour = day / 24
const start = Date.UTC(2030, 0, 1)

function told(watched: Watched): readonly (readonly [what: string, remaining: number | undefined])[] {
  return sourceEvents(watched, 'expiring').map(({ detail, remaining }) => [
    detail.split(' expires')[0] ?? '',
    remaining,
  ])
}

const own = 'our own certificate'
// Whole seconds, so that a share of its lifetime falls on a second: the last second counts (RFC 5280 §4.1.2.5).
const tenHours = { ttlSeconds: 36_000 - 1, notBefore: start }

test("reports once each when half, a fifth and a twentieth of our own certificate's lifetime remain", async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)

  clock.pass(5 * hour - 1)
  assert.deepEqual(told(watched), [])
  clock.pass(1)
  assert.deepEqual(told(watched), [[own, 0.5]])
  clock.pass(3 * hour - 1)
  assert.deepEqual(told(watched).length, 1)
  clock.pass(1)
  assert.deepEqual(told(watched).at(-1), [own, 0.2])
  clock.pass(1.5 * hour)
  assert.deepEqual(told(watched).at(-1), [own, 0.05])
  clock.pass(5 * hour)
  assert.equal(told(watched).length, 3)

  const [event] = sourceEvents(watched, 'expiring')
  assert.deepEqual([event?.at, event?.expiresAt], [start + 5 * hour, start + 10 * hour])
})

test('reports once that it has expired, even without any request', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  clock.pass(11 * hour)
  assert.deepEqual(
    sourceEvents(watched, 'lost').map(({ at, code }) => [at, code]),
    [[start + 10 * hour, 'source_expired']],
  )
})

test('reports the same for an authority, by name', async (context) => {
  const clock = stopClock(context, start)
  const short = await createAuthority('saas.example', { name: 'the old one', ttlSeconds: 36_000 - 1, notBefore: start })
  const watched = await createWatched({ ttlSeconds: 100 * 86_400 })
  await serveWatched(context, watched)
  watched.source.replace({ bundles: { 'saas.example': [watched.authority, short] } })
  clock.pass(10 * hour)
  assert.deepEqual(
    told(watched).map(([what, remaining]) => [/the old one/.test(what), remaining]),
    [
      [true, 0.5],
      [true, 0.2],
      [true, 0.05],
    ],
  )
})

test('also publishes it for metrics', async (context) => {
  const clock = stopClock(context, start)
  const published: unknown[] = []
  const listen = (event: unknown): void => void published.push(event)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  subscribe(channels.source, listen)
  clock.pass(5 * hour)
  unsubscribe(channels.source, listen)
  assert.deepEqual(published, sourceEvents(watched, 'expiring'))
})

test('reports nothing at startup for a certificate past half its lifetime, but does for one about to expire', async (context) => {
  stopClock(context, start)
  const beyondHalf = await createWatched({ ttlSeconds: 4 * 3600, notBefore: start - 6 * hour })
  await serveWatched(context, beyondHalf)
  assert.deepEqual(told(beyondHalf), [])

  const almostOver = await createWatched({ ttlSeconds: 1800 - 1, notBefore: start - 9.5 * hour })
  await serveWatched(context, almostOver)
  assert.deepEqual(told(almostOver), [[own, 0.05]])
})

test('starts over with each certificate of our own, and forgets the old one', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  clock.pass(8 * hour)
  watched.source.replace({
    svid: await watched.authority.issue(ours, { ...tenHours, now: Date.now(), notBefore: Date.now() }),
  })
  clock.pass(5 * hour - 1)
  assert.equal(told(watched).length, 2)
  clock.pass(1)
  assert.deepEqual(told(watched).at(-1), [own, 0.5])
})

test('repeats nothing for unchanged authorities while our own certificate changes every second', async (context) => {
  const clock = stopClock(context, start)
  const dying = await createAuthority('saas.example', {
    name: 'dying',
    ttlSeconds: 1800 - 1,
    notBefore: start - 9.5 * hour,
  })
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  watched.source.replace({ bundles: { 'saas.example': [watched.authority, dying] } })
  for (let second = 0; second < 30; second += 1) {
    clock.pass(1000)
    watched.source.replace({ svid: await watched.authority.issue(ours, { now: Date.now(), notBefore: Date.now() }) })
  }
  assert.deepEqual(
    told(watched).map(([, remaining]) => remaining),
    [0.05],
  )
})

test('repeats nothing when the source is lost and recovers', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  clock.pass(8 * hour)
  for (let round = 0; round < 3; round += 1) {
    watched.source.withdraw()
    clock.pass(1000)
    watched.source.replace({})
  }
  assert.deepEqual(told(watched), [
    [own, 0.5],
    [own, 0.2],
  ])
})

test('reports only the latest threshold when the clock is set forward, and nothing again when it is set back', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  await serveWatched(context, watched)
  clock.set(start + 8.5 * hour)
  clock.pass(60_000)
  assert.deepEqual(told(watched), [[own, 0.2]])
  clock.set(start)
  clock.pass(9 * hour)
  assert.deepEqual(told(watched), [[own, 0.2]])
  clock.pass(0.5 * hour)
  assert.deepEqual(told(watched).at(-1), [own, 0.05])
})

test('serves again when a fast clock is corrected', async (context) => {
  const now = Date.now()
  const clock = stopClock(context, now)
  const watched = await createWatched()
  const running = await serveWatched(context, watched)
  const svid = await watched.authority.issue(ours)
  clock.set(now + day)
  clock.pass(60_000)
  assert.equal(watched.guard.health().status, 'expired')
  await assert.rejects(running.as(svid).fetch('/'))
  clock.set(now)
  clock.pass(60_000)
  assert.equal(watched.guard.health().status, 'ready')
  assert.equal((await running.as(svid).fetch('/')).status, 200)
})

test('a listener can replace the certificate immediately', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  const next = await watched.authority.issue(ours, { ttlSeconds: 100 * 3600 })
  const seen: SourceEvent[] = []
  const renewing = await createWatched(tenHours, {
    source: watched.source,
    log: (event) => {
      if (event.type !== 'source' || event.outcome !== 'expiring') return
      seen.push(event)
      watched.source.replace({ svid: next })
    },
  })
  await serveWatched(context, renewing)
  clock.pass(20 * hour)
  assert.deepEqual(
    seen.map(({ remaining, at }) => [remaining, at]),
    [[0.5, start + 5 * hour]],
  )
})

test('needs one timer for any number of authorities', async (context) => {
  stopClock(context, start)
  const one = await createWatched()
  const partners = await Promise.all(
    ['a.example', 'b.example', 'c.example'].map(async (name) => {
      const authorities = await Promise.all(
        Array.from({ length: 32 }, (_, index) => createAuthority(name, { name: `${name} ${index}` })),
      )
      return [name, authorities] as const
    }),
  )
  const timers = context.mock.method(globalThis, 'setTimeout')
  await serveWatched(context, one)
  const forOne = timers.mock.callCount()
  one.source.replace({ bundles: { 'saas.example': one.authority, ...Object.fromEntries(partners) } })
  const trustDomains = ['saas.example', ...partners.map(([name]) => name)]
  const many = await createWatched({}, { source: one.source, trustDomains })
  timers.mock.resetCalls()
  await serveWatched(context, many)
  assert.equal(timers.mock.callCount(), forOne)
})

test('reports nothing after its servers are closed', async (context) => {
  const clock = stopClock(context, start)
  const watched = await createWatched(tenHours)
  const server = createServer(watched.guard.tlsOptions())
  watched.guard.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
  clock.pass(9 * hour)
  assert.deepEqual(told(watched), [])
})
