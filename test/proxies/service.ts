import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { setInterval } from 'node:timers/promises'
import { authenticated, createGuard, type CountersignEvent, type GuardOptions, hasAuthority } from '@countersign/core'
import countersign from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import Fastify from 'fastify'
import { internalName, serviceId, type Workloads } from './workloads.ts'

/** The guarded service behind a proxy. It answers with what it knows about the request, as JSON. */
export interface Service {
  readonly port: number
  readonly events: readonly CountersignEvent[]
  /** The numbers of the connections that have closed. */
  readonly closed: ReadonlySet<number>
  readonly close: () => Promise<void>
}

/** What a handler saw. */
export interface Seen {
  /** Null for an anonymous caller. */
  readonly caller: string | null
  /** Null for a caller that connected itself. */
  readonly proxy: string | null
  readonly credential: string | null
  readonly headers: readonly string[]
  readonly trailers: readonly string[]
  readonly connection: number
  readonly httpVersion: string
}

export async function startService(workloads: Workloads, options: Partial<GuardOptions> = {}): Promise<Service> {
  const { intermediate, authority } = workloads
  const svid = await intermediate.issue(serviceId, { dnsNames: [internalName] })
  const source = await authority.source(serviceId, { svid })
  const events: CountersignEvent[] = []
  const guard = createGuard({
    source,
    rules: [
      { path: '/orders/**', allow: hasAuthority('SERVICE_orders') },
      { path: '/**', allow: authenticated() },
    ],
    log: (event) => void events.push(event),
    ...options,
  })
  const app = Fastify({ http2: true, https: { allowHTTP1: true, ...guard.tlsOptions() } })
  await app.register(countersign, { guard })
  const connections: unknown[] = []
  const closed = new Set<number>()
  // Over HTTP/2, the requests of a connection share its session.
  const number = (connection: EventEmitter | undefined): number => {
    const known = connections.indexOf(connection)
    if (known !== -1) return known
    const added = connections.push(connection) - 1
    connection?.once('close', () => closed.add(added))
    return added
  }
  // The header makes nginx pass the response on as it arrives.
  app.get('/stream', (_request, reply) => reply.header('x-accel-buffering', 'no').send(Readable.from(createTicks())))
  app.route({
    method: ['GET', 'POST'],
    url: '/*',
    handler: ({ raw, principal }): Seen => {
      return {
        caller: principal?.spiffeId?.toString() ?? null,
        proxy: principal?.proxy?.spiffeId?.toString() ?? null,
        credential: principal?.credential ?? null,
        headers: raw.rawHeaders,
        trailers: raw.rawTrailers,
        connection: number(raw.httpVersionMajor === 2 ? raw.stream.session : raw.socket),
        httpVersion: raw.httpVersion,
      }
    },
  })
  const running = await serve(guard, app)
  return {
    port: running.port,
    events,
    closed,
    close: async () => {
      await running.close()
      await source.close()
    },
  }
}

/** Reads the answer of a service. */
export function readSeen(text: string): Seen {
  const seen: unknown = JSON.parse(text)
  assert.ok(isSeen(seen), text)
  return seen
}

function isSeen(value: unknown): value is Seen {
  return typeof value === 'object' && value !== null && 'caller' in value && 'connection' in value
}

async function* createTicks(): AsyncGenerator<string> {
  yield 'open\n'
  for await (const _ of setInterval(100)) yield 'tick\n'
}
