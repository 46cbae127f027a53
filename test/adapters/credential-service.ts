import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import { connect as connectHttp2, type Http2ServerRequest } from 'node:http2'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import {
  type CountersignEvent,
  createGuard,
  type Guard,
  type GuardOptions,
  type Principal,
  type Requirement,
  type Rule,
} from '@countersign/core'
import { allow, countersign as countersignExpress, createServer } from '@countersign/express'
import countersign, { allow as allowFastify } from '@countersign/fastify'
import { type Peer, Running, serve, type TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify, { type FastifyPluginCallback } from 'fastify'

/** How the same service is served. */
export interface Setup {
  readonly name: string
  readonly framework: 'Fastify' | 'Express'
  readonly http2: boolean
}

export const setups: readonly Setup[] = [
  { name: 'Fastify, HTTP/1.1', framework: 'Fastify', http2: false },
  { name: 'Fastify, HTTP/2', framework: 'Fastify', http2: true },
  { name: 'Express, HTTP/1.1', framework: 'Express', http2: false },
]

/** What a handler knew about a request. */
interface Seen {
  readonly path: string
  /** Null for an anonymous caller. */
  readonly caller: string | null
  readonly credential: string | null
  readonly proxy: string | null
  /** The names in every view of its headers and trailers, in lower case. */
  readonly names: readonly string[]
}

/** What a service is started with. */
export interface ServiceOptions extends Partial<GuardOptions> {
  readonly source: GuardOptions['source']
  /** The requirement of the routes `/narrowed` and, from a hook of a child instance, `/child`. Default: no such routes. */
  readonly narrowed?: Requirement | undefined
}

/** A guarded service that is listening. */
export interface Service {
  readonly setup: Setup
  readonly guard: Guard
  readonly running: Running
  /** The requests that reached a handler, or a listener of an upgrade, oldest first. */
  readonly seen: readonly Seen[]
  readonly events: readonly CountersignEvent[]
  as(svid: TestSvid | null): Peer
}

/**
 * Starts a service with `/open`, `/admin` and `/long`, which never ends, and with listeners of `upgrade` and
 * `checkContinue`. It is closed after the test.
 */
export async function startService(context: TestContext, setup: Setup, options: ServiceOptions): Promise<Service> {
  const events: CountersignEvent[] = []
  const seen: Seen[] = []
  const { narrowed, ...guardOptions } = options
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ log, ...guardOptions })
  const running = await (setup.framework === 'Express' ? serveExpress : serveFastify)(guard, setup, { seen, narrowed })
  context.after(() => running.close())
  const { server } = running
  server.on('upgrade', (request: IncomingMessage, socket: TLSSocket) => {
    seen.push(describe(request, undefined))
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer) => socket.write(data))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  })
  server.on('checkContinue', (request: unknown, response: { writeContinue(): void }) => {
    response.writeContinue()
    server.emit('request', request, response)
  })
  return { setup, guard, running, seen, events, as: (svid) => running.as(svid, { http2: setup.http2 }) }
}

interface Handling {
  readonly seen: Seen[]
  readonly narrowed: Requirement | undefined
}

async function serveFastify(guard: Guard, { http2 }: Setup, handling: Handling): Promise<Running> {
  if (http2) {
    const app = Fastify({ http2: true, https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    await app.register(listRoutes(handling))
    return serve(guard, app)
  }
  const app = Fastify({ https: guard.tlsOptions(), forceCloseConnections: true })
  await app.register(countersign, { guard })
  await app.register(listRoutes(handling))
  return serve(guard, app)
}

function listRoutes({ seen, narrowed }: Handling): FastifyPluginCallback {
  return (app, _options, done) => {
    app.addContentTypeParser('*', (_request, payload, parsed) => {
      payload.resume().once('end', () => parsed(null))
    })
    const answer = ({ raw, principal }: { raw: RawRequest; principal: Principal | null }): Seen => {
      const found = describe(raw, principal)
      seen.push(found)
      return found
    }
    for (const url of ['/open', '/open/*', '/admin']) app.route({ method: ['GET', 'POST'], url, handler: answer })
    app.get('/long', (request, reply) => {
      answer(request)
      reply.hijack()
      begin(reply.raw)
    })
    if (narrowed !== undefined) {
      app.get('/narrowed', { config: { allow: narrowed } }, answer)
      app.register((child, _childOptions, ready) => {
        child.addHook('onRequest', allowFastify(narrowed))
        child.get('/child', answer)
        ready()
      })
    }
    done()
  }
}

async function serveExpress(guard: Guard, _setup: Setup, { seen, narrowed }: Handling): Promise<Running> {
  const app = express()
  app.use(countersignExpress(guard))
  const answer = (request: ExpressRequest, response: express.Response): void => {
    request.resume().once('end', () => {
      seen.push(describe(request, request.principal))
      response.json(seen.at(-1))
    })
  }
  app.all(['/open', '/open/*rest', '/admin'], answer)
  app.get('/long', (request: ExpressRequest, response) => {
    seen.push(describe(request, request.principal))
    begin(response)
  })
  if (narrowed !== undefined) app.get(['/narrowed', '/child'], allow(narrowed), answer)
  const server = createServer(guard, app)
  // Node closes idle connections after 5 seconds, which would look like an action of the guard.
  server.keepAliveTimeout = 72_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new Running(server, async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
}

type RawRequest = IncomingMessage | Http2ServerRequest
type ExpressRequest = IncomingMessage & { readonly principal?: Principal | null }

interface WritableResponse {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown
  write(text: string): unknown
}

function begin(response: WritableResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.write('first\n')
}

function describe(raw: RawRequest, principal: Principal | null | undefined): Seen {
  const objects = ['headers', 'headersDistinct', 'trailers', 'trailersDistinct'].map((name): unknown =>
    Reflect.get(raw, name),
  )
  const names = objects.flatMap((object) => (typeof object === 'object' && object !== null ? Object.keys(object) : []))
  const lines = [...raw.rawHeaders, ...raw.rawTrailers].filter((_, index) => index % 2 === 0)
  return {
    path: raw.url ?? '',
    caller: principal?.name ?? null,
    credential: principal?.credential ?? null,
    proxy: principal?.proxy?.name ?? null,
    names: [...new Set([...names, ...lines].map((name) => name.toLowerCase()))].toSorted(),
  }
}

/** What a caller sees of an answer: its status, and for 200 who it was for the handler. */
export async function ask(
  peer: Peer,
  path: string,
  headers: OutgoingHttpHeaders = {},
): Promise<number | readonly [caller: string | null, proxy: string | null]> {
  const response = await peer.fetch(path, { headers })
  if (response.status !== 200) return response.status
  const seen: unknown = await response.json()
  assert.ok(typeof seen === 'object' && seen !== null && 'caller' in seen && 'proxy' in seen)
  const { caller, proxy } = seen
  assert.ok((caller === null || typeof caller === 'string') && (proxy === null || typeof proxy === 'string'))
  return [caller, proxy]
}

/** An exchange that lasts, from the side of the client. */
export interface Lasting {
  /** Fulfilled when it ends, with whether the response looked complete. */
  readonly ended: Promise<{ readonly isComplete: boolean }>
  readonly isOpen: () => boolean
}

/** A connection that a client keeps. With HTTP/2 it carries any number of exchanges, otherwise one. */
export interface KeptConnection {
  /** Begins `/long`, and waits until the response has begun. */
  begin(headers?: OutgoingHttpHeaders): Promise<Lasting>
  readonly isOpen: () => boolean
  close(): void
}

export async function keepConnection(service: Service, svid: TestSvid | null): Promise<KeptConnection> {
  const { http2 } = service.setup
  const socket = await service.running.as(svid).connect(http2 ? { ALPNProtocols: ['h2'] } : {})
  const isOpen = (): boolean => !socket.destroyed && !socket.readableEnded
  const close = (): void => void socket.destroy()
  if (!http2) {
    return { begin: (headers = {}) => beginOverHttp1(socket, `GET /long HTTP/1.1`, headers, 200), isOpen, close }
  }
  const session = connectHttp2(service.running.url, { createConnection: () => socket })
  session.on('error', () => undefined)
  return {
    begin: async (headers = {}) => {
      const stream = session.request({ ...headers, ':path': '/long' })
      let failure: Error | undefined
      stream.on('error', (error: Error) => (failure = error))
      const closed = new Promise((resolve) => stream.once('close', resolve))
      const ended = closed.then(() => ({ isComplete: failure === undefined && stream.readableEnded }))
      assert.equal(await Promise.race([once(stream, 'data').then(String), closed]), 'first\n')
      return { ended, isOpen: () => !stream.closed }
    },
    isOpen,
    close,
  }
}

/** Sends an upgrade, and waits until it is answered with 101. */
export async function upgrade(
  service: Service,
  svid: TestSvid | null,
  headers: OutgoingHttpHeaders = {},
  path = '/open',
): Promise<Lasting> {
  const socket = await service.running.as(svid).connect()
  return beginOverHttp1(socket, `GET ${path} HTTP/1.1`, { ...headers, connection: 'Upgrade', upgrade: 'echo' }, 101)
}

/** Writes a request without a body, and returns everything that arrives until the connection closes. */
export async function sendRaw(socket: TLSSocket, line: string, headers: Fields): Promise<string> {
  let received = ''
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
  socket.write(writeHead(line, headers))
  await new Promise((resolve) => socket.once('close', resolve))
  return received
}

async function beginOverHttp1(
  socket: TLSSocket,
  line: string,
  headers: OutgoingHttpHeaders,
  status: number,
): Promise<Lasting> {
  let received = ''
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const ended = closed.then(() => ({ isComplete: received.endsWith('0\r\n\r\n') }))
  socket.write(writeHead(line, headers))
  await Promise.race([once(socket, 'data'), closed])
  assert.equal(received.slice(0, 12), `HTTP/1.1 ${status}`)
  return { ended, isOpen: () => !socket.destroyed && !socket.readableEnded }
}

/** Any fields, with a list for several lines. */
type Fields = Readonly<Record<string, OutgoingHttpHeader | undefined>>

function writeHead(line: string, headers: Fields): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => `${name}: ${each}`),
  )
  return [line, 'Host: a', ...lines, '', ''].join('\r\n')
}

export const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`

/** Rules that allow every authenticated caller everywhere. */
export const everywhere: (allow: Requirement) => readonly Rule[] = (required) => [{ path: '/**', allow: required }]
