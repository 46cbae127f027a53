import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, type CountersignEvent, createGuard, type Guard, type X509Source } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { createAuthority, type Running, serve, type TestSource } from '@countersign/testkit'
import { watchHandshakes } from '../adapters/watch-handshakes.ts'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

interface Service {
  readonly source: TestSource
  readonly guard: Guard
  readonly events: CountersignEvent[]
  readonly running: Running
}

async function start(
  context: TestContext,
  trustDomains: readonly string[] = ['saas.example'],
  more = authority,
): Promise<Service> {
  const events: CountersignEvent[] = []
  const source = await authority.source(ours, { federated: [more] })
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source, rules, trustDomains, log: (event) => events.push(event) })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    if (!isDenial(verdict)) return response.end(verdict.name)
    const answer = forAdapter(guard).answer(verdict, request)
    return answer === undefined ? undefined : response.writeHead(answer.status).end()
  })
  context.after(() => running.close())
  return { source, guard, events, running }
}

test('closes every connection as soon as the source reports that there is no SVID, and recovers', async (context) => {
  const { source, events, running } = await start(context)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  source.withdraw()
  await assert.rejects(peer.fetch('/'))
  await assert.rejects(peer.fetch('/'))
  assert.equal(events.filter((event) => event.type === 'source').length, 1)
  source.replace({})
  assert.equal((await peer.fetch('/')).status, 200)
})

test('keeps what it has when an update names another local trust domain', async (context) => {
  const other = await createAuthority('other.example')
  const { source, events, running } = await start(context)
  const svid = await other.issue('spiffe://other.example/ns/production/sa/billing')
  source.replace({ svid, bundles: { 'saas.example': authority, 'other.example': other } })
  assert.equal((await running.as(caller).fetch('/')).status, 200)
  assert.ok(events.some((event) => event.type === 'source' && event.code === 'update_refused'))
})

test('silently closes a kept connection when its authority is withdrawn', async (context) => {
  const successor = await createAuthority('saas.example')
  const { source, events, running } = await start(context)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  source.replace({ svid: await successor.issue(ours), bundles: { 'saas.example': successor } })
  await assert.rejects(peer.fetch('/'))
  assert.ok(events.some((event) => event.type === 'authentication' && event.reason === 'signature_invalid'))
})

test('keeps a connection whose authority is joined by a new one, and accepts peers of both', async (context) => {
  const successor = await createAuthority('saas.example', { name: 'the next authority' })
  const { source, running } = await start(context)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  source.replace({ bundles: { 'saas.example': [authority, successor] } })
  assert.equal((await peer.fetch('/')).status, 200)
  const next = await successor.issue('spiffe://saas.example/ns/production/sa/core-api')
  assert.equal((await running.as(next).fetch('/')).status, 200)
})

test('does not affect connections of one trust domain when the bundle of another changes', async (context) => {
  const partner = await createAuthority('partner.example')
  const changed = await createAuthority('partner.example')
  const { source, running } = await start(context, ['saas.example', 'partner.example'], partner)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  source.replace({ bundles: { 'saas.example': authority, 'partner.example': changed } })
  assert.equal((await peer.fetch('/')).status, 200)
})

test('serves a new SVID at the next handshake', async (context) => {
  const { source, running } = await start(context)
  const svid = await authority.issue(ours)
  source.replace({ svid })
  const socket = await running.as(caller).connect()
  assert.equal(BigInt(`0x${socket.getPeerCertificate().serialNumber}`), BigInt(`0x${svid.serialNumber}`))
})

test('refuses a caller whose certificate cannot be read', async (context) => {
  const { events, running } = await start(context)
  watchHandshakes(running.server, refuseToBeRead)
  await assert.rejects(running.as(caller).fetch('/'))
  const reasons = events.flatMap((event) => (event.type === 'authentication' ? [event.reason] : []))
  assert.deepEqual(reasons, ['verification_failed'])
})

test('closes a connection whose caller can no longer be read when its authority is withdrawn', async (context) => {
  const successor = await createAuthority('saas.example')
  const { source, running } = await start(context)
  running.server.on('secureConnection', refuseToBeRead)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  source.replace({ svid: await successor.issue(ours), bundles: { 'saas.example': successor } })
  await assert.rejects(peer.fetch('/'))
})

test('denies every request of such a connection, even if the source has not reported the change', async (context) => {
  const successor = await createAuthority('saas.example')
  const held = await authority.source(ours)
  const untold: X509Source = {
    get current() {
      return held.current
    },
    onUpdate: () => () => undefined,
    close: () => held.close(),
    [Symbol.asyncDispose]: () => held.close(),
  }
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source: untold, rules, log: () => undefined })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  running.server.on('secureConnection', refuseToBeRead)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/')).status, 200)
  held.replace({ svid: await successor.issue(ours), bundles: { 'saas.example': successor } })
  for (const _attempt of [1, 2]) assert.equal((await peer.fetch('/')).status, 503)
})

function refuseToBeRead(socket: TLSSocket): void {
  Object.assign(socket, { getPeerX509Certificate: () => assert.fail('the application has replaced it') })
}
