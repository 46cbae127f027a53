import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2, createSecureServer, Http2ServerResponse } from 'node:http2'
import { Agent, createServer, request, type Server } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { authenticated, type CountersignEvent, createGuard, type GuardOptions } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { type Authority, createAuthority, type TestSource, type TestSvid } from '@countersign/testkit'
import { type StoppedClock, stopClock } from '../guard/stopped-clock.ts'
import { admitNow } from '../support/admit-now.ts'

/*
 * The end of a caller's certificate on connections that are kept. The clock stands still, so that nothing depends on how
 * fast the machine is.
 */

export const authority: Authority = await createAuthority('saas.example')
const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing', { ttlSeconds: 86_400 })
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

/** Lifetime of the caller's first certificate in seconds; its expiry is announced 30 seconds in advance. */
export const life = 3600

export interface Service {
  readonly port: number
  readonly source: TestSource
  readonly clock: StoppedClock
  readonly first: TestSvid
  readonly renewed: TestSvid
  /** Responses that wait to be completed, oldest first. */
  readonly held: readonly ServerResponse[]
  /** Whether the HTTP/2 session of each held response closed together with its stream. */
  readonly closedWithStream: readonly boolean[]
  readonly connections: () => number
  readonly reasons: () => readonly string[]
  /** Advances the clock to this many seconds before the first certificate expires. */
  readonly passUntil: (secondsBefore: number) => void
}

export async function start(
  context: TestContext,
  kind: 'https' | 'http2',
  onExpiry: NonNullable<GuardOptions['onExpiry']>,
  issuer: Authority = authority,
): Promise<Service> {
  // The certificate of another issuer expires before its leaves.
  const first = await issuer.issue(coreApi, { ttlSeconds: issuer === authority ? life : 2 * life })
  const renewed = await authority.issue(coreApi, { ttlSeconds: 2 * life })
  const events: CountersignEvent[] = []
  const held: ServerResponse[] = []
  const closedWithStream: boolean[] = []
  let connections = 0
  const federated = issuer === authority ? [] : [issuer]
  const source = await authority.source(own.spiffeId, { svid: own, federated })
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], onExpiry, log })
  const handle = (incoming: IncomingMessage, response: ServerResponse): void => {
    const verdict = admitNow(guard, incoming)
    if (!isDenial(verdict)) {
      if (incoming.url !== '/held') return void response.end(verdict.name)
      held.push(response)
      if (response instanceof Http2ServerResponse) {
        const { session } = response.stream
        response.stream.once('close', () => process.nextTick(() => closedWithStream.push(session?.closed ?? true)))
      }
      return
    }
    const answer = forAdapter(guard).answer(verdict, incoming)
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
    closedWithStream,
    connections: () => connections,
    reasons: () => events.flatMap((event) => ('reason' in event && event.reason !== undefined ? [event.reason] : [])),
    passUntil: (secondsBefore) => clock.pass(end - secondsBefore * 1000 - Date.now()),
  }
}

function createFor(kind: 'https' | 'http2', options: object, handle: RequestListener): Server {
  if (kind === 'https') return createServer(options, handle)
  // With HTTP/1.1 as well, whose connections are also guarded.
  const server: unknown = createSecureServer({ ...options, allowHTTP1: true }).on('request', handle)
  assert.ok(isServer(server))
  return server
}

function isServer(value: unknown): value is Server {
  return typeof value === 'object' && value !== null && 'setSecureContext' in value
}

/** A caller that keeps its connections, and presents its current certificate on new ones. */
export class Caller extends Agent {
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
    // By then the agent has decided whether to keep the connection.
    await new Promise((resolve) => setImmediate(resolve))
    return { status: response.statusCode, connection: response.headers.connection }
  }
}

function connectAs({ keyPem, certificatePem }: TestSvid, port: number, protocol = 'http/1.1'): TLSSocket {
  const identity = { key: keyPem, cert: certificatePem, rejectUnauthorized: false }
  return connect({ host: '127.0.0.1', port, ...identity, ALPNProtocols: [protocol] })
}

export function openSession({ port }: Service, svid: TestSvid, context: TestContext): ClientHttp2Session {
  const socket = connectAs(svid, port, 'h2')
  const session = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket })
  context.after(() => session.destroy())
  return session.on('error', () => undefined)
}

export function isRefusedStream(error: unknown): boolean {
  return error instanceof Error && error.message.includes('NGHTTP2_REFUSED_STREAM')
}

export async function callOn(session: ClientHttp2Session, path = '/'): Promise<number> {
  const stream = session.request({ ':path': path })
  let status = 0
  stream.on('response', (fields) => (status = Number(fields[':status'])))
  stream.resume()
  await once(stream, 'close')
  return status
}
