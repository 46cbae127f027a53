import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthenticationEvent, ConfigurationError } from '@countersign/core'
import { caller, createWatched, ours, serveWatched, sourceEvents, type Watched } from './watched-service.ts'

const hour = 3600
const days = 24 * hour

function peerEvents({ events }: Watched, outcome: AuthenticationEvent['outcome']): readonly AuthenticationEvent[] {
  return events.filter((event) => event.type === 'authentication').filter((event) => event.outcome === outcome)
}

for (const value of ['90d', '2160h', '129600m', '7776000s', 7_776_000_000] as const) {
  test(`accepts ${value} as 90 days`, async () => {
    await createWatched({ ttlSeconds: 90 * days }, { maxCertificateLifetime: value })
    const longer = createWatched({ ttlSeconds: 91 * days }, { maxCertificateLifetime: value })
    await assert.rejects(longer, (error) => error instanceof ConfigurationError && error.code === 'option_invalid')
  })
}

test('accepts an hour in milliseconds', async () => {
  await createWatched({ ttlSeconds: hour }, { maxCertificateLifetime: 3_600_000 })
})

for (const value of [
  '',
  '1w',
  '90',
  '90 d',
  '90D',
  ' 90d',
  '1.5h',
  '0d',
  '-1d',
  '1d12h',
  '1e3s',
  90,
  0,
  -1,
  NaN,
  Infinity,
]) {
  test(`rejects '${value}' as a duration (${typeof value})`, async () => {
    await assert.rejects(createWatched({}, { maxCertificateLifetime: value }), (error) => {
      assert.ok(error instanceof ConfigurationError)
      assert.equal(error.code, 'option_invalid')
      assert.equal(error.value, value)
      return true
    })
  })
}

test('does not start with a certificate of our own that lives longer than allowed', async () => {
  await assert.rejects(createWatched({ ttlSeconds: 25 * hour }, { maxCertificateLifetime: '24h' }), (error) => {
    assert.ok(error instanceof ConfigurationError)
    assert.match(error.message, /our own certificate: its lifetime is 1 d 1 h, expected at most 1 d;/)
    return true
  })
})

test('starts with a certificate that lives for years if no limit is set', async () => {
  const watched = await createWatched({ ttlSeconds: 1000 * days })
  assert.equal(watched.guard.health().status, 'ready')
  assert.deepEqual(sourceEvents(watched, 'refused'), [])
})

test('starts with a certificate that never expires', async () => {
  const endless = (Date.UTC(9999, 11, 31, 23, 59, 59) - Date.now()) / 1000
  const watched = await createWatched({ ttlSeconds: endless })
  assert.equal(watched.guard.health().status, 'ready')
  assert.equal(sourceEvents(watched, 'warning').length, 1)
})

test('ignores the backdating of issuers for slow clocks', async () => {
  const now = Date.now()
  await createWatched({ ttlSeconds: hour, notBefore: now - 120_000 }, { maxCertificateLifetime: '1h' })
  const tooMuch = createWatched({ ttlSeconds: hour, notBefore: now - 600_000 }, { maxCertificateLifetime: '1h' })
  await assert.rejects(tooMuch, ConfigurationError)
  const tooShort = createWatched({ ttlSeconds: 60, notBefore: now - 120_000 }, { maxCertificateLifetime: '60s' })
  await assert.rejects(tooShort, ConfigurationError)
})

test('refuses a new certificate that lives longer than allowed, and keeps the current one', async (context) => {
  const watched = await createWatched({}, { maxCertificateLifetime: '1h' })
  const { authority, source, guard } = watched
  const running = await serveWatched(context, watched)
  const peer = await authority.issue(caller)
  const before = guard.health().expiresAt

  source.replace({ svid: await authority.issue(ours, { ttlSeconds: 2 * hour }) })

  const [refused, ...more] = sourceEvents(watched, 'refused')
  assert.deepEqual([refused?.code, more.length], ['update_refused', 0])
  assert.equal(guard.health().expiresAt, before)
  assert.equal(guard.health().lastError?.code, 'update_refused')
  assert.equal((await running.as(peer).fetch('/')).status, 200)
})

test('closes the connection of a peer whose certificate lives longer than allowed', async (context) => {
  const watched = await createWatched({}, { maxCertificateLifetime: '1h' })
  const running = await serveWatched(context, watched)
  const lasting = await watched.authority.issue(caller, { ttlSeconds: 2 * hour })

  await assert.rejects(running.as(lasting).fetch('/'))
  assert.equal((await running.as(await watched.authority.issue(caller)).fetch('/')).status, 200)

  const [refused, ...more] = peerEvents(watched, 'refused')
  assert.deepEqual([refused?.reason, refused?.spiffeId, more.length], ['lifetime_too_long', caller, 0])
})

test('closes it even if the certificate was seen before, and after a change of bundles', async (context) => {
  const watched = await createWatched({}, { maxCertificateLifetime: '1h' })
  const { authority, source } = watched
  const running = await serveWatched(context, watched)
  const lasting = await authority.issue(caller, { ttlSeconds: 2 * hour })
  await assert.rejects(running.as(lasting).fetch('/'))
  await assert.rejects(running.as(lasting).fetch('/'))

  const next = (await createWatched()).authority
  source.replace({ bundles: { 'saas.example': [authority, next] } })

  await assert.rejects(running.as(lasting).fetch('/'))
  assert.deepEqual(new Set(peerEvents(watched, 'refused').map(({ reason }) => reason)), new Set(['lifetime_too_long']))
})

test('warns once about a certificate of our own that lives longer than 90 days, whatever else changes', async (context) => {
  const watched = await createWatched({ ttlSeconds: 100 * days })
  const { authority, source } = watched
  await serveWatched(context, watched)
  const next = (await createWatched()).authority
  source.replace({ bundles: { 'saas.example': [authority, next] } })
  source.replace({ bundles: { 'saas.example': authority } })
  assert.deepEqual(
    sourceEvents(watched, 'warning').map(({ code }) => code),
    ['certificate_long_lived'],
  )

  source.replace({ svid: await authority.issue(ours, { ttlSeconds: 100 * days }) })
  assert.equal(sourceEvents(watched, 'warning').length, 2)
})

test('warns once about a peer whose certificate lives longer than 90 days, and accepts it', async (context) => {
  const watched = await createWatched()
  const { authority, source } = watched
  const running = await serveWatched(context, watched)
  const lasting = await authority.issue(caller, { ttlSeconds: 100 * days })
  const next = (await createWatched()).authority
  assert.equal((await running.as(lasting).fetch('/')).status, 200)
  assert.equal((await running.as(lasting).fetch('/')).status, 200)
  source.replace({ bundles: { 'saas.example': [authority, next] } })
  assert.equal((await running.as(lasting).fetch('/')).status, 200)

  const [warning, ...more] = peerEvents(watched, 'warning')
  assert.deepEqual([warning?.reason, warning?.spiffeId, more.length], ['certificate_long_lived', caller, 0])
})

test('does not warn about certificates of 90 days, backdated or not', async (context) => {
  const watched = await createWatched({ ttlSeconds: 90 * days })
  const running = await serveWatched(context, watched)
  const peer = await watched.authority.issue(caller, { ttlSeconds: 90 * days, notBefore: Date.now() - 60_000 })
  assert.equal((await running.as(peer).fetch('/')).status, 200)
  assert.deepEqual([...sourceEvents(watched, 'warning'), ...peerEvents(watched, 'warning')], [])
})
