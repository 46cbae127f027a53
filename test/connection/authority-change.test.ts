import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { authenticated, createGuard } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { type Authority, createAuthority, Peer, serve, type TestSource } from '@countersign/testkit'
import { type Calls, keepCalling } from '../adapters/keep-calling.ts'
import { admitNow } from '../support/admit-now.ts'

interface RingService {
  readonly spiffeId: string
  readonly source: TestSource
  readonly port: number
}

test('three services that call each other replace their authority in four steps without a failed call', async (context) => {
  const before = await createAuthority('saas.example', { name: 'before' })
  const next = await createAuthority('saas.example', { name: 'next' })
  const services = await Promise.all(['a', 'b', 'c'].map((name) => start(context, before, name)))
  const callers = services.map((service, index) => {
    const callee = services[(index + 1) % services.length] ?? service
    const keepAlive = new Map<string, Peer>()
    // One kept connection per certificate, like an agent that follows its source.
    const kept = (): Peer => {
      const { svid } = service.source
      const peer = keepAlive.get(svid.serialNumber) ?? open(context, callee, service)
      keepAlive.set(svid.serialNumber, peer)
      return peer
    }
    return [keepCalling(() => kept().fetch('/')), keepCalling(() => call(callee, service))]
  })
  const all = callers.flat()
  context.after(() => Promise.all(all.map(({ stop }) => stop())))

  for (const { source } of services) source.replace({ bundles: { 'saas.example': [before, next] } })
  await callRound(services, all)
  for (const { source, spiffeId } of services) {
    source.replace({ svid: await next.issue(spiffeId) })
    await callRound(services, all)
  }
  for (const { source } of services) {
    source.replace({ bundles: { 'saas.example': next } })
    await callRound(services, all)
  }

  await Promise.all(all.map(({ next }) => next()))
  for (const statuses of await Promise.all(all.map(({ stop }) => stop()))) {
    assert.deepEqual([...new Set(statuses)], [200])
  }
  const late = await before.issue('spiffe://saas.example/ns/production/sa/late')
  for (const { port } of services) {
    await using peer = new Peer(port, late, {})
    await assert.rejects(peer.fetch('/'))
  }
})

async function start(context: TestContext, authority: Authority, name: string): Promise<RingService> {
  const spiffeId = `spiffe://saas.example/ns/production/sa/${name}`
  const source = await authority.source(spiffeId)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const running = await serve(guard, (request, response) => {
    response.writeHead(isDenial(admitNow(guard, request)) ? 403 : 200).end()
  })
  context.after(() => running.close())
  return { spiffeId, source, port: running.port }
}

function open(context: TestContext, callee: RingService, caller: RingService): Peer {
  const peer = new Peer(callee.port, caller.source.svid, {})
  context.after(() => peer.close())
  return peer
}

/** One call on a new connection, in which each end verifies the other against its own bundles. */
async function call(callee: RingService, caller: RingService): Promise<{ readonly status: number }> {
  await using peer = new Peer(callee.port, caller.source.svid, {})
  const ca = caller.source.current.bundles.get('saas.example')?.authorities.map(({ der }) => toPem(der)) ?? []
  const socket = await peer.connect({ ca, rejectUnauthorized: true, checkServerIdentity: () => undefined })
  socket.destroy()
  return await peer.fetch('/')
}

/** One call of each; the running calls continue as well. */
async function callRound(services: readonly RingService[], running: readonly Calls[]): Promise<void> {
  await Promise.all(running.map(({ next }) => next()))
  for (const [index, service] of services.entries()) {
    assert.equal((await call(services[(index + 1) % services.length] ?? service, service)).status, 200)
  }
}

function toPem(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}
