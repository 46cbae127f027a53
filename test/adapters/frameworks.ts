import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { allow, countersign as countersignExpress, createServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  type Guard,
  type GuardOptions,
  hasAnyAuthority,
  hasAuthority,
  serviceAccounts,
} from '@countersign/core'
import { type Peer, Running, serve, type TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { watchHandshakes } from './watch-handshakes.ts'

export const billing = 'spiffe://saas.example/ns/production/sa/billing-service'
export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
export const analyticsService = 'spiffe://saas.example/ns/production/sa/analytics-service'

/** The rules of the service, unless a test overrides them. */
export const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics-service') },
  { path: '/internal/**', allow: authenticated() },
]

/** One way to serve the same service. */
export interface Variant {
  readonly name: string
  readonly framework: 'Fastify' | 'Express'
  readonly http2: boolean
  readonly tlsVersion: 'TLSv1.3' | 'TLSv1.2'
}

export const variants: readonly Variant[] = (['TLSv1.3', 'TLSv1.2'] as const).flatMap((tlsVersion) => [
  { name: `Fastify, HTTP/1.1, ${tlsVersion}`, framework: 'Fastify', http2: false, tlsVersion },
  { name: `Fastify, HTTP/2, ${tlsVersion}`, framework: 'Fastify', http2: true, tlsVersion },
  { name: `Express, HTTP/1.1, ${tlsVersion}`, framework: 'Express', http2: false, tlsVersion },
])

/** The listening service. */
export interface Service extends AsyncDisposable {
  readonly running: Running
  /** The requests that reached a handler, as method and target, oldest first. */
  readonly handled: readonly string[]
  /** The events that the guard logged, oldest first. */
  readonly events: readonly CountersignEvent[]
  /** OpenSSL's verdict on each connection whose handshake completed. */
  readonly authorized: readonly boolean[]
  /** A peer that uses the protocol and the TLS version of the variant. */
  as(svid: TestSvid | null): Peer
}

/** Starts the service; `options` can override the rules. */
export async function start(
  variant: Variant,
  options: GuardOptions,
  listen: (guard: Guard, handled: string[]) => Promise<Running> = starters[variantKey(variant)],
): Promise<Service> {
  const handled: string[] = []
  const events: CountersignEvent[] = []
  const authorized: boolean[] = []
  const { tlsVersion, http2 } = variant
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ rules, log, tls: { minVersion: tlsVersion }, ...options })
  const running = await listen(guard, handled)
  const isOpensslAsked = guard.tlsOptions().rejectUnauthorized
  watchHandshakes(running.server, (socket) => {
    if (socket.authorized || !isOpensslAsked) authorized.push(socket.authorized)
  })
  return {
    running,
    handled,
    events,
    authorized,
    as: (svid) => running.as(svid, { http2, minVersion: tlsVersion, maxVersion: tlsVersion }),
    [Symbol.asyncDispose]: () => running.close(),
  }
}

/** Opens a connection and sends bytes right after the handshake, then waits until the connection has closed. */
export async function sendBehindHandshake(service: Service, variant: Variant, svid: TestSvid | null): Promise<string> {
  const { tlsVersion, http2 } = variant
  const socket = connect({
    host: '127.0.0.1',
    port: service.running.port,
    rejectUnauthorized: false,
    ciphers: 'DEFAULT@SECLEVEL=0',
    minVersion: tlsVersion,
    maxVersion: tlsVersion,
    ...(http2 && { ALPNProtocols: ['h2'] }),
    ...(svid !== null && { key: svid.keyPem, cert: svid.certificatePem }),
  })
  let received = ''
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
  socket.on('error', () => undefined)
  socket.write(
    http2 ? http2Request('/internal/health') : 'GET /internal/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  // Not `once`, because in TLS 1.2 it closes with an error.
  await new Promise((resolve) => socket.on('close', resolve))
  return received
}

/** The reasons for refused peers and denied requests, oldest first. */
export function reasonsOf(service: Service): readonly string[] {
  return service.events.flatMap((event) => ('reason' in event && event.reason !== undefined ? [event.reason] : []))
}

/** The members of a JSON object. */
export async function readJson(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const value: unknown = await response.json()
  assert.ok(typeof value === 'object' && value !== null)
  return Object.fromEntries(Object.entries(value))
}

type Starter = (guard: Guard, handled: string[]) => Promise<Running>

const variantKey = ({ framework, http2 }: Variant): keyof typeof starters => (http2 ? 'Fastify2' : framework)

const starters = {
  Fastify: (guard, handled) => startFastify(guard, handled),
  Fastify2: (guard, handled) => startFastify2(guard, handled),
  Express: (guard, handled) => startExpress(guard, handled),
} satisfies Record<string, Starter>

/** The routes of both frameworks. Express has another one that no rule covers, with which Fastify would not start. */
const paths = ['/internal/health', '/internal/billing/invoices', '/internal/analytics/data'] as const
const narrowed = '/internal/billing/narrowed'

async function startFastify(guard: Guard, handled: string[]): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  for (const path of paths) {
    app.all(path, ({ method, url, principal }) => {
      handled.push(`${method} ${url}`)
      return { caller: principal?.name }
    })
  }
  const allowed = serviceAccounts('production/nobody')
  app.get(narrowed, { config: { allow: allowed } }, ({ method, url }) => void handled.push(`${method} ${url}`))
  app.setNotFoundHandler(({ method, url }, reply) => {
    handled.push(`${method} ${url}`)
    return reply.code(404).send()
  })
  return serve(guard, app)
}

async function startFastify2(guard: Guard, handled: string[]): Promise<Running> {
  const app = Fastify({ http2: true, https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  for (const path of paths) {
    app.all(path, ({ method, url, principal }) => {
      handled.push(`${method} ${url}`)
      return { caller: principal?.name }
    })
  }
  const allowed = serviceAccounts('production/nobody')
  app.get(narrowed, { config: { allow: allowed } }, ({ method, url }) => void handled.push(`${method} ${url}`))
  app.setNotFoundHandler(({ method, url }, reply) => {
    handled.push(`${method} ${url}`)
    return reply.code(404).send()
  })
  return serve(guard, app)
}

async function startExpress(guard: Guard, handled: string[]): Promise<Running> {
  const app = express()
  app.use(countersignExpress(guard))
  app.get(
    narrowed,
    allow(serviceAccounts('production/nobody')),
    ({ method, url }) => void handled.push(`${method} ${url}`),
  )
  for (const path of paths) {
    app.all(path, ({ method, url, principal }, response) => {
      handled.push(`${method} ${url}`)
      response.json({ caller: principal?.name })
    })
  }
  app.use(({ method, url }, response) => {
    handled.push(`${method} ${url}`)
    response.status(404).end()
  })
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

/** Preface, empty SETTINGS, a request in one HEADERS frame with indexed or literal fields (RFC 7541 §6), GOAWAY. */
function http2Request(path: string): Buffer {
  const block = Buffer.concat([Buffer.from([0x82, 0x87]), writeField(4, path), writeField(1, 'a')])
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    writeFrame(4, 0, 0, Buffer.alloc(0)),
    writeFrame(1, 5, 1, block),
    writeFrame(7, 0, 0, Buffer.alloc(8)),
  ])
}

function writeField(index: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)])
}

function writeFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]), payload])
}
