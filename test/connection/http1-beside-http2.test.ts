import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, type AuthenticationEvent, type CountersignEvent, createGuard, denyAll } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import countersign from '@countersign/fastify'
import { createAuthority, Peer, Running, serve, type TestSource } from '@countersign/testkit'
import Fastify from 'fastify'
import { admitNow } from '../support/admit-now.ts'

/** HTTP/1.1 on servers that speak HTTP/2. */

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
const rules = [
  { path: '/closed/**', allow: denyAll() },
  { path: '/**', allow: authenticated() },
]

interface Service {
  readonly running: Running
  readonly source: TestSource
  /** Of refused callers. */
  readonly refused: readonly AuthenticationEvent[]
}

async function startFastify(context: TestContext): Promise<Service> {
  const source = await authority.source(ours)
  const refused: AuthenticationEvent[] = []
  const guard = createGuard({ source, rules, log: (event) => keepRefused(event, refused) })
  const app = Fastify({ http2: true, https: { ...guard.tlsOptions(), allowHTTP1: true } })
  await app.register(countersign, { guard })
  app.get('/who', ({ principal, raw }) => `${principal?.name} over ${raw.httpVersion}`)
  app.get('/closed/door', () => assert.fail('a denied request reached its handler'))
  const running = await serve(guard, app)
  context.after(() => running.close())
  return { running, source, refused }
}

/** A server that only speaks HTTP/2. */
async function startPlain(context: TestContext): Promise<Service & { readonly server: Http2SecureServer }> {
  const source = await authority.source(ours)
  const refused: AuthenticationEvent[] = []
  const guard = createGuard({ source, rules, log: (event) => keepRefused(event, refused) })
  const server = createSecureServer({ ...guard.tlsOptions() }, (request, response) => {
    response.end(isDenial(admitNow(guard, request)) ? 'denied' : 'admitted')
  })
  guard.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, () => new Promise((resolve) => void server.close(() => resolve())))
  context.after(() => running.close())
  return { running, source, refused, server }
}

function keepRefused(event: CountersignEvent, kept: AuthenticationEvent[]): void {
  if (event.type === 'authentication') kept.push(event)
}

test('with allowHTTP1 guards a caller over HTTP/1.1 like one over HTTP/2', async (context) => {
  const { running, source } = await startFastify(context)
  const [first, second] = [running.as(caller), running.as(caller, { http2: true })]
  assert.equal(await (await first.fetch('/who')).text(), `${caller.spiffeId} over 1.1`)
  assert.equal(await (await second.fetch('/who')).text(), `${caller.spiffeId} over 2.0`)
  assert.equal((await first.fetch('/closed/door')).status, 403)
  assert.equal((await first.fetch('/%2e%2e/who')).status, 400)
  await assert.rejects(running.as(null).fetch('/who'))

  running.server.on('upgrade', () => assert.fail('a denied upgrade reached its listener'))
  const socket = await running.as(caller).connect({ ALPNProtocols: ['http/1.1'] })
  assert.equal(socket.alpnProtocol, 'http/1.1')
  socket.write('GET /closed/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.match(await readAll(socket), /^HTTP\/1\.1 403 /)

  const kept = await running.as(caller).connect()
  kept.write('GET /who HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(kept, 'data')
  const successor = await createAuthority('saas.example', { name: 'the next authority' })
  source.replace({ svid: await successor.issue(ours), bundles: { 'saas.example': successor } })
  kept.resume()
  if (!kept.closed) await once(kept, 'close')
})

test('without allowHTTP1 reports a caller over HTTP/1.1 with its name and tells it the reason', async (context) => {
  const { running, refused } = await startPlain(context)
  const response = await running.as(caller).fetch('/who')
  assert.equal(response.status, 505)
  assert.equal(response.headers.get('connection'), 'close')
  const [event, ...more] = refused
  assert.deepEqual(more, [])
  const { outcome, reason, spiffeId, remoteAddress } = event ?? assert.fail()
  assert.deepEqual(
    { outcome, reason, spiffeId, remoteAddress },
    { outcome: 'refused', reason: 'protocol_unsupported', spiffeId: caller.spiffeId, remoteAddress: '127.0.0.1' },
  )
  assert.match(event?.detail ?? '', /allowHTTP1/)
  assert.equal(await (await running.as(caller, { http2: true }).fetch('/who')).text(), 'admitted')
})

test('without allowHTTP1 reports a caller that only offers HTTP/1.1 in its handshake', async (context) => {
  const { running, refused } = await startPlain(context)
  await assert.rejects(running.as(caller).connect({ ALPNProtocols: ['http/1.1'] }))
  while (refused.length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    refused.map(({ reason }) => reason),
    ['handshake_failed'],
  )
  assert.match(refused[0]?.detail ?? '', /allowHTTP1/)
})

test('without allowHTTP1 refuses an untrusted caller without a response', async (context) => {
  const { running, refused } = await startPlain(context)
  await assert.rejects(running.as(null).fetch('/who'))
  assert.deepEqual(
    refused.map(({ reason }) => reason),
    ['certificate_missing'],
  )
})

test('without allowHTTP1 reports an unauthenticated caller once, for that reason', async (context) => {
  const { running, refused } = await startPlain(context)
  const impostor = await authority.issue(caller.spiffeId, { faults: ['two_uri_sans'] })
  await assert.rejects(running.as(impostor).fetch('/who'))
  assert.deepEqual(
    refused.map(({ reason }) => reason),
    ['several_uri_sans'],
  )
})

test("does not affect the application's own listener for other protocols", async (context) => {
  const { running, refused, server } = await startPlain(context)
  server.on('unknownProtocol', (socket: TLSSocket) => {
    socket.on('error', () => undefined)
    socket.end('hello')
  })
  const socket = await new Peer(running.port, caller, {}).connect()
  assert.equal(await readAll(socket), 'hello')
  assert.deepEqual(refused, [])
})

async function readAll(socket: TLSSocket): Promise<string> {
  let received = ''
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
  if (!socket.closed) await once(socket, 'close')
  return received
}
