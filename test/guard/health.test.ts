import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authenticated,
  createGuard,
  type Health,
  SourceError,
  type X509Material,
  type X509Source,
} from '@countersign/core'
import { stopClock } from './stopped-clock.ts'
import { createWatched, ours, serveWatched } from './watched-service.ts'

const hour = 3_600_000
const start = Date.UTC(2030, 0, 1)
const tenHours = { ttlSeconds: 36_000 - 1, notBefore: start }

function brief({ status, isServing }: Health): readonly [string, boolean] {
  return [status, isServing]
}

test('is ready with a fresh certificate, attached to a server or not', async (context) => {
  const clock = stopClock(context, start)
  const { guard, source } = await createWatched(tenHours)
  assert.deepEqual(guard.health(), {
    status: 'ready',
    isServing: true,
    expiresAt: source.current.svid.expiresAt,
    lastUpdate: start,
  })
  clock.pass(hour)
  assert.equal(guard.health().lastUpdate, start)
})

test('goes from ready to expiring to expired without being attached', async (context) => {
  const clock = stopClock(context, start)
  const { guard } = await createWatched(tenHours)
  clock.pass(8 * hour - 1)
  assert.deepEqual(brief(guard.health()), ['ready', true])
  clock.pass(1)
  assert.deepEqual(brief(guard.health()), ['expiring', true])
  clock.pass(2 * hour - 1)
  assert.deepEqual(brief(guard.health()), ['expiring', true])
  clock.pass(1)
  assert.deepEqual(brief(guard.health()), ['expired', false])
  assert.equal(guard.health().expiresAt, start + 10 * hour)
  assert.equal(guard.health().lastError?.code, 'source_expired')
})

test('is ready again with the next certificate, and remembers the last error and its time', async (context) => {
  const clock = stopClock(context, start)
  const { guard, source, authority } = await createWatched(tenHours)
  clock.pass(11 * hour)
  assert.equal(guard.health().status, 'expired')
  const now = start + 11 * hour
  source.replace({ svid: await authority.issue(ours, { now, notBefore: now }) })
  const { status, lastUpdate, lastError } = guard.health()
  assert.deepEqual([status, lastUpdate, lastError?.at], ['ready', now, now])
  assert.equal(lastError?.code, 'source_expired')
})

test('follows clock changes in both directions', async (context) => {
  const clock = stopClock(context, start)
  const { guard } = await createWatched(tenHours)
  clock.set(start + 20 * hour)
  assert.equal(guard.health().status, 'expired')
  clock.set(start + 9 * hour)
  assert.equal(guard.health().status, 'expiring')
  clock.set(start)
  assert.equal(guard.health().status, 'ready')
})

test('is lost when the source reports that it has no material, with the reason', async () => {
  const { guard, source } = await createWatched()
  source.withdraw(new SourceError('source_empty', 'the agent knows no such workload'))
  const { status, isServing, expiresAt, lastError } = guard.health()
  assert.deepEqual([status, isServing, expiresAt], ['lost', false, guard.health().expiresAt])
  assert.deepEqual([lastError?.code, lastError?.detail], ['source_empty', 'the agent knows no such workload'])
  source.replace({})
  assert.equal(guard.health().status, 'ready')
})

test('is lost once the source is closed', async () => {
  const { guard, source } = await createWatched()
  await source.close()
  assert.deepEqual(brief(guard.health()), ['lost', false])
  assert.equal(guard.health().lastError?.code, 'source_closed')
})

test('remembers a refused update, and continues to serve', async (context) => {
  const watched = await createWatched({}, { maxCertificateLifetime: '1h' })
  await serveWatched(context, watched)
  watched.source.replace({ svid: await watched.authority.issue(ours, { ttlSeconds: 7200 }) })
  const { status, lastError } = watched.guard.health()
  assert.deepEqual([status, lastError?.code], ['ready', 'update_refused'])
})

for (const [what, offer] of [
  ['throws its own error', () => assert.fail('no agent')],
  [
    'throws a non-Error value',
    () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw { toString: null }
    },
  ],
] as const) {
  test(`is lost if the application's own source ${what}`, async () => {
    const { source: good } = await createWatched()
    let isStarted = false
    const close = (): Promise<void> => Promise.resolve()
    const source: X509Source = {
      get current(): X509Material {
        return isStarted ? offer() : good.current
      },
      onUpdate: () => () => undefined,
      close,
      [Symbol.asyncDispose]: close,
    }
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
    isStarted = true
    assert.deepEqual(brief(guard.health()), ['lost', false])
    assert.equal(guard.health().lastError?.code, 'source_empty')
    isStarted = false
    assert.deepEqual(brief(guard.health()), ['ready', true])
  })
}

test('can be read by the log function that receives the loss, which is reported once', async () => {
  const statuses: string[] = []
  const { guard, source } = await createWatched({}, { log: () => void statuses.push(guard.health().status) })
  source.withdraw()
  assert.equal(guard.health().status, 'lost')
  assert.deepEqual(statuses, ['lost'])
})

test('is read-only', async () => {
  const { guard, source } = await createWatched()
  source.withdraw()
  const health = guard.health()
  assert.ok(Object.isFrozen(health))
  assert.ok(Object.isFrozen(health.lastError))
})
