import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { applyCrls } from '@countersign/spiffe'
import {
  authenticated,
  type AuthenticationEvent,
  createGuard,
  createMaterial,
  createReplaceableSource,
  type GuardOptions,
  type ReplaceableSource,
  X509Bundle,
  type X509Material,
} from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, type Running, serve } from '@countersign/testkit'
import { crlOf } from '../trust/crls.ts'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const ours = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
const bystander = await authority.issue('spiffe://saas.example/ns/production/sa/analytics')
const demanded: ReadonlySet<string> = new Set(['saas.example'])

interface Service {
  readonly source: ReplaceableSource
  readonly running: Running
  readonly refused: readonly AuthenticationEvent[]
}

/** Material of a source that receives revocation lists with its bundles. */
function materialWith(crls: readonly Uint8Array[]): X509Material {
  const parsed = [authority, partner].map(({ trustDomain, bundlePem }) => X509Bundle.parse(trustDomain, bundlePem))
  const bundles = applyCrls(new Map(parsed.map((bundle) => [bundle.trustDomain, bundle])), crls, demanded)
  return createMaterial({ key: ours.keyPem, cert: ours.certificatePem, bundles: Object.fromEntries(bundles) })
}

async function start(
  context: TestContext,
  crls: readonly Uint8Array[],
  options: Pick<GuardOptions, 'onExpiry' | 'log'> = {},
): Promise<Service> {
  const source = createReplaceableSource(materialWith(crls))
  const refused: AuthenticationEvent[] = []
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    trustDomains: ['saas.example', 'partner.example'],
    log: (event) => {
      if (event.type === 'authentication' && event.outcome === 'refused') refused.push(event)
    },
    ...options,
  })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    if (!isDenial(verdict)) return response.end(verdict.name)
    return response.writeHead(verdict.status, { reason: verdict.reason }).end()
  })
  context.after(() => running.close())
  return { source, running, refused }
}

/** A connection that is open on both sides and whose close can be awaited. */
async function keep({ running }: Service, svid = caller): Promise<{ readonly closed: Promise<unknown> }> {
  const accepted = once(running.server, 'secureConnection')
  const socket = await running.as(svid).connect()
  await accepted
  return { closed: new Promise((resolve) => socket.once('close', resolve)) }
}

const reasonsOf = ({ refused }: Service): readonly unknown[] => refused.map(({ reason }) => reason)

test("refuses a peer whose certificate is in its authority's list, and accepts another", async (context) => {
  const service = await start(context, [crlOf(authority, { revoked: [caller] })])
  await assert.rejects(service.running.as(caller).fetch('/'))
  assert.equal((await service.running.as(bystander).fetch('/')).status, 200)
  assert.deepEqual(reasonsOf(service), ['revoked'])
})

test('closes a kept connection when an update lists its certificate, and keeps others', async (context) => {
  const service = await start(context, [crlOf(authority)])
  const staying = service.running.as(bystander)
  assert.equal((await staying.fetch('/')).status, 200)
  const kept = await keep(service)
  service.source.replace(materialWith([crlOf(authority, { revoked: [caller] })]))
  await kept.closed
  assert.equal((await staying.fetch('/')).status, 200)
  assert.deepEqual(reasonsOf(service), ['revoked'])
  await assert.rejects(service.running.as(caller).fetch('/'))
})

test('keeps a connection when an updated list does not name its certificate', async (context) => {
  const service = await start(context, [crlOf(authority)])
  const peer = service.running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  service.source.replace(materialWith([crlOf(authority, { revoked: [bystander] })]))
  assert.equal((await peer.fetch('/')).status, 200)
  assert.deepEqual(reasonsOf(service), [])
})

test('closes all connections of a trust domain when its list is removed, and keeps those of a partner without lists', async (context) => {
  const service = await start(context, [crlOf(authority)])
  const federated = service.running.as(await partner.issue('spiffe://partner.example/ns/production/sa/core-api'))
  assert.equal((await federated.fetch('/')).status, 200)
  const kept = await keep(service)
  service.source.replace(materialWith([]))
  await kept.closed
  assert.deepEqual(reasonsOf(service), ['revocation_unknown'])
  assert.equal((await federated.fetch('/')).status, 200)
  await assert.rejects(service.running.as(bystander).fetch('/'))
})

/** Runs with a mocked clock that starts in the first millisecond of a second. */
function takeClock(context: TestContext): number {
  const now = Math.ceil(Date.now() / 1000) * 1000
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now })
  return now
}

test('closes a kept connection in the second in which the list becomes stale, and accepts no new one', async (context) => {
  const now = takeClock(context)
  const service = await start(context, [crlOf(authority, { nextUpdate: now + 60_000 })])
  const kept = await keep(service)
  context.mock.timers.tick(59_999)
  assert.equal((await service.running.as(bystander).fetch('/')).status, 200)
  assert.deepEqual(reasonsOf(service), [])
  context.mock.timers.tick(1)
  await kept.closed
  assert.ok(reasonsOf(service).includes('identity_expired'))
  assert.match(service.refused[0]?.detail ?? '', /revocation list/)
  await assert.rejects(service.running.as(caller).fetch('/'))
  assert.equal(reasonsOf(service).at(-1), 'revocation_unknown')
  assert.equal(service.source.current.svid.serialNumber, ours.serialNumber)
})

test('a list that arrives in time keeps connections open after the previous list expires', async (context) => {
  const now = takeClock(context)
  const service = await start(context, [crlOf(authority, { nextUpdate: now + 60_000 })])
  const peer = service.running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  service.source.replace(materialWith([crlOf(authority, { nextUpdate: now + 120_000 })]))
  context.mock.timers.tick(60_000)
  assert.equal((await peer.fetch('/')).status, 200)
  assert.deepEqual(reasonsOf(service), [])
})

test('with refuse, denies requests on a kept connection once the list is stale', async (context) => {
  const now = takeClock(context)
  const denied: unknown[] = []
  const service = await start(context, [crlOf(authority, { nextUpdate: now + 60_000 })], {
    onExpiry: 'refuse',
    log: (event) => {
      if (event.type === 'denial') denied.push(event.reason)
    },
  })
  const peer = service.running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  context.mock.timers.tick(60_000)
  const response = await peer.fetch('/')
  assert.equal(response.status, 403)
  assert.deepEqual(denied, ['identity_expired'])
})
