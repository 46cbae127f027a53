import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2, createSecureServer } from 'node:http2'
import { Agent, createServer, request, type Server } from 'node:https'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { authenticated, type CountersignEvent, createGuard, type GuardOptions, isDenial } from '@countersign/core'
import { type Authority, createAuthority, type TestSource, type TestSvid } from '@countersign/testkit'
import { type StoppedClock, stopClock } from '../guard/stopped-clock.ts'

/*
 * The end of a caller's certificate on connections that are kept. The clock stands still, so that nothing depends on how
 * fast the machine is.
 */

const authority = await createAuthority('saas.example')
const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing', { ttlSeconds: 86_400 })
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

/** Of the caller's first certificate, in seconds; its end is announced 30 seconds before. */
const life = 3600

interface Service {
  readonly port: number
  readonly source: TestSource
  readonly clock: StoppedClock
  readonly first: TestSvid
  readonly renewed: TestSvid
  /** Responses that wait to be ended, oldest first. */
  readonly held: readonly ServerResponse[]
  readonly connections: () => number
  readonly reasons: () => readonly string[]
  /** Lets time pass until this many seconds before the first certificate expires. */
  readonly passUntil: (secondsBefore: number) => void
}

async function start(
  context: TestContext,
  kind: 'https' | 'http2',
  onExpiry: NonNullable<GuardOptions['onExpiry']>,
  issuer: Authority = authority,
): Promise<Service> {
  // That of another issuer ends before its leaves do.
  const first = await issuer.issue(coreApi, { ttlSeconds: issuer === authority ? life : 2 * life })
  const renewed = await authority.issue(coreApi, { ttlSeconds: 2 * life })
  const events: CountersignEvent[] = []
  const held: ServerResponse[] = []
  let connections = 0
  const federated = issuer === authority ? [] : [issuer]
  const source = await authority.source(own.spiffeId, { svid: own, federated })
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], onExpiry, log })
  const handle = (incoming: IncomingMessage, response: ServerResponse): void => {
    const verdict = guard.admit(incoming)
    if (!isDenial(verdict)) {
      if (incoming.url === '/held') held.push(response)
      else response.end(verdict.name)
      return
    }
    const answer = guard.answer(verdict, incoming)
    if (answer !== undefined) response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
  }
  const server = createFor(kind, { ...guard.tlsOptions() }, handle)
  guard.attach(server)
  server.on('secureConnection', () => (connections += 1))
  const clockStart = Date.now()
  const clock = stopClock(context, clockStart)
  const end = (issuer === authority ? first.expiresAt : clockStart + life * 1000) + 1000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => sockets.add(socket))
  context.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    source,
    clock,
    first,
    renewed,
    held,
    connections: () => connections,
    reasons: () => events.flatMap((event) => (event.type === 'source' ? [] : [String(event.reason)])),
    passUntil: (secondsBefore) => clock.pass(end - secondsBefore * 1000 - Date.now()),
  }
}

function createFor(kind: 'https' | 'http2', options: object, handle: RequestListener): Server {
  if (kind === 'https') return createServer(options, handle)
  // With HTTP/1.1 beside it, whose connections are guarded all the same.
  const server: unknown = createSecureServer({ ...options, allowHTTP1: true }).on('request', handle)
  assert.ok(isServer(server))
  return server
}

function isServer(value: unknown): value is Server {
  return typeof value === 'object' && value !== null && 'setSecureContext' in value
}

/** A caller that keeps its connections, and shows on new ones whatever certificate it has then. */
class Caller extends Agent {
  svid: TestSvid
  readonly #port: number

  constructor({ port, first }: Service, context: TestContext) {
    super({ keepAlive: true, maxSockets: 1 })
    this.svid = first
    this.#port = port
    context.after(() => this.destroy())
  }

  override createConnection(): TLSSocket {
    return connectAs(this.svid, this.#port)
  }

  async call(): Promise<{ readonly status: number | undefined; readonly connection: string | undefined }> {
    const sent = request({ port: this.#port, host: '127.0.0.1', path: '/', agent: this })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject).end()
    })
    await text(response)
    // By then the agent knows whether it may keep the connection.
    await new Promise((resolve) => setImmediate(resolve))
    return { status: response.statusCode, connection: response.headers.connection }
  }
}

function connectAs({ keyPem, certificatePem }: TestSvid, port: number, protocol = 'http/1.1'): TLSSocket {
  const identity = { key: keyPem, cert: certificatePem, rejectUnauthorized: false }
  return connect({ host: '127.0.0.1', port, ...identity, ALPNProtocols: [protocol] })
}

function openSession({ port }: Service, svid: TestSvid, context: TestContext): ClientHttp2Session {
  const socket = connectAs(svid, port, 'h2')
  const session = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket })
  context.after(() => session.destroy())
  return session.on('error', () => undefined)
}

function isRefusedStream(error: unknown): boolean {
  return error instanceof Error && error.message.includes('NGHTTP2_REFUSED_STREAM')
}

async function callOn(session: ClientHttp2Session, path = '/'): Promise<number> {
  const stream = session.request({ ':path': path })
  let status = 0
  stream.on('response', (fields) => (status = Number(fields[':status'])))
  stream.resume()
  await once(stream, 'close')
  return status
}

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

  test(`GOAWAY waits for the streams that are open (onExpiry '${onExpiry}')`, async (context) => {
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
    // A round trip on the connection itself: whatever was sent before would have come.
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

  test(`GOAWAY does not wait longer than until shortly before the end, and open streams go on (onExpiry '${onExpiry}')`, async (context) => {
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
  test(`with 'refuse' a kept connection is refused once over HTTP/1.1 and closed with it (${kind})`, async (context) => {
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

test("with 'refuse' a clock that jumps over the end leaves no connection that is refused again and again", async (context) => {
  const service = await start(context, 'http2', 'refuse')
  const caller = new Caller(service, context)
  const session = openSession(service, service.first, context)
  assert.equal((await caller.call()).status, 200)
  assert.equal(await callOn(session), 200)
  caller.svid = service.renewed
  // No timer notices: what is left is to look at the clock with each request.
  service.clock.set(service.first.expiresAt + 1000)
  assert.deepEqual(await caller.call(), { status: 403, connection: 'close' })
  assert.equal(await callOn(session), 403)
  if (!session.destroyed) await once(session, 'close')
  assert.equal((await caller.call()).status, 200)
})

test('an end that was announced and is put off by a renewed authority closes no session', async (context) => {
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
