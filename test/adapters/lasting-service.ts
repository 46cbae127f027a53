import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { countersign as countersignExpress, createServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import type { Guard, GuardOptions } from '@countersign/core'
import { Running, serve } from '@countersign/testkit'
import express from 'express'
import Fastify, { type FastifyPluginCallback } from 'fastify'
import { type Service, start, type Variant } from './frameworks.ts'

/** A service with some responses that never end by themselves. */
export interface LastingService extends Service {
  /** The numbers in the queries of the requests that reached a handler, oldest first. */
  readonly numbers: readonly number[]
}

/**
 * Starts the service with `/internal/health`, which responds immediately, and `/internal/long`, `/internal/events` and
 * upgrades, which never end.
 */
export async function startLasting(variant: Variant, options: GuardOptions): Promise<LastingService> {
  const numbers: number[] = []
  const service = await start(variant, options, (guard, handled) => {
    const note = (method: string, url: string): void => {
      handled.push(`${method} ${url}`)
      const [, number] = /\?(\d+)$/.exec(url) ?? []
      if (number !== undefined) numbers.push(Number(number))
    }
    if (variant.framework === 'Express') return serveExpress(guard, note)
    return variant.http2 ? serveFastify2(guard, note) : serveFastify(guard, note)
  })
  service.running.server.on('upgrade', (_request: unknown, socket: TLSSocket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer) => socket.write(data))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  })
  return { ...service, numbers }
}

type Note = (method: string, url: string) => void

function listRoutes(note: Note): FastifyPluginCallback {
  return (app, _options, done) => {
    app.get('/internal/health', ({ method, url, principal }) => {
      note(method, url)
      return { caller: principal?.name }
    })
    app.get('/internal/long', ({ method, url }, reply) => {
      note(method, url)
      reply.hijack()
      writeLong(reply.raw)
    })
    app.get('/internal/events', ({ method, url }, reply) => {
      note(method, url)
      return reply.type('text/event-stream').send(createEvents())
    })
    done()
  }
}

async function serveFastify(guard: Guard, note: Note): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions(), forceCloseConnections: true })
  await app.register(countersign, { guard })
  await app.register(listRoutes(note))
  return serve(guard, app)
}

async function serveFastify2(guard: Guard, note: Note): Promise<Running> {
  const app = Fastify({ http2: true, https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  await app.register(listRoutes(note))
  return serve(guard, app)
}

async function serveExpress(guard: Guard, note: Note): Promise<Running> {
  const app = express()
  app.use(countersignExpress(guard))
  app.get('/internal/health', ({ method, url, principal }, response) => {
    note(method, url)
    response.json({ caller: principal?.name })
  })
  app.get('/internal/long', ({ method, url }, response) => {
    note(method, url)
    writeLong(response)
  })
  app.get('/internal/events', ({ method, url }, response) => {
    note(method, url)
    response.type('text/event-stream')
    createEvents().pipe(response)
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

/** Writes a body with a content length that is never completed. */
function writeLong(response: WritableResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1_000_000 })
  const write = (): unknown => response.write('more\n')
  write()
  const timer = setInterval(write, beat)
  response.once('close', () => clearInterval(timer))
}

interface WritableResponse {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown
  write(text: string): unknown
  once(event: 'close', listener: () => void): unknown
}

function createEvents(): Readable {
  const events = new Readable({ read: () => undefined })
  const push = (): unknown => events.push('data: more\n\n')
  push()
  const timer = setInterval(push, beat)
  // Express does not destroy a piped stream when the response is cut off.
  timer.unref()
  return events.once('close', () => clearInterval(timer))
}

/** Milliseconds between two chunks of a long response. */
const beat = 25
