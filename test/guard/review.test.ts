import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:https'
import { describe, test } from 'node:test'
import {
  anonymous,
  anyOf,
  authenticated,
  channels,
  type CountersignEvent,
  createGuard,
  type Finding,
  type Guard,
  type GuardOptions,
  hasAuthority,
} from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const [authority, other] = await Promise.all([createAuthority('saas.example'), createAuthority('saas.example')])
const source = await authority.source(idOf('billing'))
const orders = await authority.issue(idOf('orders'))
const proxies = [
  { id: 'spiffe://saas.example/ns/edge/sa/proxy', forwards: ['spiffe://saas.example/ns/production/*/*'] },
]
const day = 24 * 60 * 60 * 1000

const answer = (_request: unknown, response: { end(text: string): unknown }): void => void response.end('served')

describe('the six ways in which reviewed services failed', () => {
  test('an optional client certificate: a guard requires one, and a review finds the options that do not', async () => {
    const { guard } = create({})
    await using running = await serve(guard, answer)
    await assert.rejects(running.as(null).fetch('/'))
    assert.deepEqual(idsOf(guard, running.server), [])
    const bundles = { current: () => new Map(), onChange: () => () => undefined }
    const optional = create({ credentials: { jwtSvid: { audiences: ['billing'], bundles, withoutCertificate: true } } })
    await using open = await serve(optional.guard, answer)
    assert.deepEqual(idsOf(optional.guard, open.server), ['certificate_optional'])
    assert.deepEqual(loggedOf(optional.events), ['certificate_optional'])
  })

  test('a certificate that is present but not validated: a server without the guard is an error', async () => {
    const { guard } = create({})
    const server = createServer({ ...guard.tlsOptions(), rejectUnauthorized: false })
    const [finding, ...more] = guard.review(server)
    assert.deepEqual([finding?.id, finding?.severity, more], ['server_not_attached', 'error', []])
    assert.throws(() => guard.attach(server), { code: 'server_unsuitable' })
    await using running = await serve(guard, answer)
    await assert.rejects(running.as(await other.issue(idOf('orders'))).fetch('/'))
    assert.equal((await running.as(orders).fetch('/')).status, 200)
  })

  test('any internal CA: rules name the callers, and a review finds a guard whose rules do not', async () => {
    const named = create({})
    await using running = await serve(named.guard, answer)
    assert.equal((await running.as(await authority.issue(idOf('mailer'))).fetch('/')).status, 403)
    const everyone = create({ rules: [{ path: '/**', allow: authenticated() }] })
    await using open = await serve(everyone.guard, answer)
    assert.deepEqual(idsOf(everyone.guard, open.server), ['rule_for_everyone'])
    const onePath = create({ rules: [{ path: '/health', allow: authenticated() }] })
    await using narrow = await serve(onePath.guard, answer)
    assert.deepEqual(idsOf(onePath.guard, narrow.server), [])
  })

  test('identity in a header that is not verified: ignored, and a review finds what would believe it', async () => {
    const { guard } = create({})
    await using running = await serve(guard, answer)
    const headers = { 'x-forwarded-client-cert': `By=${proxies[0]?.id};URI=${idOf('orders')}` }
    const mailer = running.as(await authority.issue(idOf('mailer')))
    assert.equal((await mailer.fetch('/', { headers })).status, 403)
    const options = { dangerouslyTrustAnyPeer: true, format: 'client-cert' } as const
    const trusting = create({ credentials: { forwarded: options } })
    await using open = await serve(trusting.guard, answer)
    assert.deepEqual(idsOf(trusting.guard, open.server), ['forwarded_by_any_peer'])
    assert.deepEqual(loggedOf(trusting.events), ['forwarded_by_any_peer'])
    const broad = [{ ...proxies[0], id: proxies[0]?.id ?? '', forwards: ['spiffe://saas.example/**'] }]
    const wide = create({ credentials: { forwarded: { proxies: broad, format: 'xfcc' } } })
    await using wideRunning = await serve(wide.guard, answer)
    assert.deepEqual(idsOf(wide.guard, wideRunning.server), ['forwarded_too_much'])
    const narrow = create({ credentials: { forwarded: { proxies, format: 'xfcc' } } })
    await using narrowRunning = await serve(narrow.guard, answer)
    assert.deepEqual(idsOf(narrow.guard, narrowRunning.server), [])
  })

  test('permissive mode that was left on: it ends by itself, and a review names its deadline', async () => {
    const allow = anyOf(anonymous(), hasAuthority('SERVICE_orders'))
    const until = new Date(Date.now() + day).toISOString()
    const permissive = create({ permissive: { until }, rules: [{ path: '/**', allow }] })
    await using running = await serve(permissive.guard, answer)
    const [finding] = permissive.guard.review(running.server)
    assert.equal(finding?.id, 'permissive_mode')
    assert.match(finding?.found ?? '', new RegExp(until))
    const ended = create({ permissive: { until: '2020-01-01T00:00:00Z' }, rules: [{ path: '/**', allow }] })
    await using strict = await serve(ended.guard, answer)
    assert.match(ended.guard.review(strict.server)[0]?.remedy ?? '', /remove the option permissive/)
    await assert.rejects(strict.as(null).fetch('/'))
  })

  test('a shared, long-lived certificate: a review finds both, from the open connections', async () => {
    const { guard } = create({})
    await using running = await serve(guard, answer)
    const old = await authority.issue(idOf('orders'), { ttlSeconds: 400 * 24 * 60 * 60 })
    assert.equal((await running.as(old).fetch('/')).status, 200)
    assert.deepEqual(idsOf(guard, running.server), ['certificate_long_lived'])
    const long = await authority.source(idOf('billing'), { ttlSeconds: 400 * 24 * 60 * 60 })
    const { guard: lasting } = create({ source: long })
    assert.match(lasting.review(running.server)[1]?.found ?? '', /our own certificate/)
  })
})

test('a review finds a caller that uses the certificate of the service itself', async () => {
  const own = await authority.issue(idOf('billing'))
  const shared = await authority.source(idOf('billing'), { svid: own })
  const { guard } = create({ source: shared, rules: [{ path: '/x', allow: [idOf('billing')] }] })
  await using running = await serve(guard, answer)
  await running.as(own).fetch('/x')
  assert.deepEqual(idsOf(guard, running.server), ['certificate_shared'])
})

test('a review finds audit mode, TLS 1.2 and the listener for plaintext', async (context) => {
  const until = new Date(Date.now() + day).toISOString()
  const { guard } = create({ mode: { audit: { until } }, permissive: { until }, tls: { minVersion: 'TLSv1.2' } })
  const server = createServer(guard.tlsOptions(), answer)
  guard.attach(server)
  const listener = guard.migrationListener(server)
  context.after(() => listener.close())
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  assert.deepEqual(idsOf(guard, server), ['plaintext_port', 'tls_version', 'permissive_mode', 'audit_mode'])
})

for (const [order, listensFirst] of [
  ['beside its server', true],
  ['alone', false],
] as const) {
  test(`a migration listener that listens ${order} is logged once as a plaintext port`, async (context) => {
    const { guard, events } = create({ permissive: { until: new Date(Date.now() + 86_400_000).toISOString() } })
    const server = createServer(guard.tlsOptions(), answer)
    guard.attach(server)
    const listeners = [guard.migrationListener(server), guard.migrationListener(server)]
    if (listensFirst) listeners.unshift(server)
    for (const listener of listeners) {
      context.after(() => listener.close())
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    }
    assert.deepEqual(loggedOf(events), ['plaintext_port'])
  })
}

test('a server without TLS is reviewed as a plaintext port, and refused where it needs TLS', () => {
  const { guard } = create({})
  const plain = createHttpServer()
  assert.deepEqual(idsOf(guard, plain), ['server_not_attached'])
  assert.throws(() => guard.attach(plain), { code: 'server_unsuitable' })
  const trusting = create({ credentials: { forwarded: { dangerouslyTrustAnyPeer: true, format: 'xfcc' } } }).guard
  trusting.attach(plain)
  assert.deepEqual(idsOf(trusting, plain), ['plaintext_port', 'forwarded_by_any_peer'])
})

test('every finding says what was found, what is expected and what to do, and is published', async () => {
  const options = { dangerouslyTrustAnyPeer: true, format: 'client-cert' } as const
  const { guard } = create({ credentials: { forwarded: options } })
  await using running = await serve(guard, answer)
  for (const { found, expected, remedy } of guard.review(running.server)) {
    for (const text of [found, expected, remedy]) assert.ok(text.length > 10, text)
  }
  assert.equal(channels.review, 'countersign:review')
})

function create(options: Partial<GuardOptions>): { readonly guard: Guard; readonly events: CountersignEvent[] } {
  const events: CountersignEvent[] = []
  const rules = [{ path: '/**', allow: hasAuthority('SERVICE_orders') }]
  const guard = createGuard({ source, rules, log: (event) => void events.push(event), ...options })
  return { guard, events }
}

function idsOf(guard: Guard, server: unknown): readonly Finding['id'][] {
  return guard.review(server).map(({ id }) => id)
}

function loggedOf(events: readonly CountersignEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'review' ? [event.id] : []))
}
