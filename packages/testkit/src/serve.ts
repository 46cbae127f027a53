import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { Server as NetServer } from 'node:net'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue, isRecord } from '@countersign/spiffe/options'
import { aBoolean, aText, checkArgument, checkOptions, orNull } from './check-options.ts'
import { Peer, type PeerOptions } from './peer.ts'
import { aTestSvid, type TestSvid } from './svid.ts'

/**
 * Serves an application with real mTLS on a free port of 127.0.0.1. For a function (an Express application or a request
 * listener), creates a server with the guard's TLS options and attaches the guard. A Fastify instance must have been
 * created with `Fastify({ https: guard.tlsOptions() })` and have the plugin; it is only started.
 *
 * @example
 * await using running = await serve(guard, app)
 * const response = await running.as(svid).fetch('/internal/billing')
 * @throws {ConfigurationError} `server_unsuitable` if the application listens without TLS; `registration_invalid` for a
 * Fastify instance that is not behind this guard; `option_invalid` for anything that cannot be served
 */
export async function serve(guard: ServingGuard, app: ServableApp): Promise<Running> {
  checkArguments(guard, app)
  if (typeof app !== 'function') return serveFastify(guard, app)
  const server = createServer(guard.tlsOptions(), app)
  guard.attach(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return new Running(server, () => closeServer(server))
}

async function serveFastify(guard: ServingGuard, app: ListeningApp): Promise<Running> {
  if (!('setSecureContext' in app.server)) {
    throw new ConfigurationError(
      'server_unsuitable',
      'serve: found an application without TLS, expected one made with { https: guard.tlsOptions() }',
    )
  }
  await app.ready?.()
  if (guard.isAttachedTo?.(app.server) === false) {
    await app.close()
    throw new ConfigurationError(
      'registration_invalid',
      'serve: found an application that is not behind this guard, expected one with `await app.register(countersign, { guard })` before its routes',
    )
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  return new Running(app.server, async () => {
    await app.close()
  })
}

function checkArguments(guard: unknown, app: unknown): void {
  if (!isServingGuard(guard)) {
    const found = isServable(guard) ? 'an application instead of the guard' : describeValue(guard)
    refuse(`serve: found ${found}, expected serve(guard, app) with a guard made by createGuard()`, guard)
  }
  if (isServable(app)) return
  const expected = 'serve(guard, app) with an Express application, a request listener or a Fastify instance'
  refuse(`serve: found ${isServingGuard(app) ? 'a second guard' : describeValue(app)}, expected ${expected}`, app)
}

function isServingGuard(value: unknown): value is ServingGuard {
  return isRecord(value) && typeof value['tlsOptions'] === 'function' && typeof value['attach'] === 'function'
}

function isServable(value: unknown): value is ServableApp {
  if (typeof value === 'function') return !/^class\b/.test(Function.prototype.toString.call(value))
  return isRecord(value) && isRecord(value['server']) && typeof value['listen'] === 'function'
}

function refuse(message: string, value: unknown): never {
  throw new ConfigurationError('option_invalid', message, { value })
}

/** A served application and the peers that call it. */
export class Running {
  /** `https://127.0.0.1:<port>`, without a trailing slash. */
  readonly url: string
  readonly port: number
  /** The listening server, for tests of its events and connections. */
  readonly server: NetServer
  readonly #stop: () => Promise<void>
  readonly #peers = new Set<Peer>()

  /** Called by `serve`. */
  constructor(server: NetServer, stop: () => Promise<void>) {
    const address = server.address()
    if (address === null || typeof address === 'string') {
      throw new ConfigurationError(
        'server_unsuitable',
        `found a server at ${address}, expected one that listens on a port`,
      )
    }
    this.port = address.port
    this.url = `https://127.0.0.1:${address.port}`
    this.server = server
    this.#stop = stop
  }

  /** Creates a peer with its own connection that presents this SVID, or no certificate for null. */
  as(svid: TestSvid | null, options: PeerOptions = {}): Peer {
    checkArgument(svid, 'as', orNull(aTestSvid))
    checkOptions(options, 'as', { http2: aBoolean, minVersion: aText, maxVersion: aText })
    const peer = new Peer(this.port, svid, options)
    this.#peers.add(peer)
    return peer
  }

  /** Closes the connections of all peers, then the server. */
  async close(): Promise<void> {
    for (const peer of this.#peers) peer.close()
    this.#peers.clear()
    await this.#stop()
  }

  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What `serve` needs of a guard. */
export interface ServingGuard {
  /** Returns the TLS options that a server is created with. */
  tlsOptions(): ServerOptions
  /** Guards a server. */
  attach(server: Server): unknown
  /** Missing on a value that only resembles a guard. A Fastify instance is then served without checking its plugin. */
  isAttachedTo?(server: object): boolean
}

/** What `serve` can serve: an Express application or another request listener, or a Fastify instance. */
export type ServableApp = ((request: IncomingMessage, response: ServerResponse) => unknown) | ListeningApp

/** What `serve` needs of an application with its own server. */
export interface ListeningApp {
  readonly server: NetServer
  /** Resolves once all plugins are loaded. */
  ready?(): PromiseLike<unknown>
  /** Opens the port. */
  listen(options: { host: string; port: number }): PromiseLike<unknown>
  /** Closes the port and all connections. */
  close(): PromiseLike<unknown>
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    server.closeAllConnections()
  })
}
