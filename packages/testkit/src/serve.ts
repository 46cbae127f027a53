import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { Server as NetServer } from 'node:net'
import { ConfigurationError } from '@countersign/core'
import { Peer, type PeerOptions } from './peer.ts'
import type { TestSvid } from './svid.ts'

/**
 * Serves an application with real mTLS on a free port of 127.0.0.1. A function (an Express application, a request
 * listener) gets a server with the guard's TLS options and the guard attached; a Fastify instance was made with
 * `Fastify({ https: guard.tlsOptions() })` and has the plugin, so it only listens.
 *
 * @example
 * await using running = await serve(guard, app)
 * const response = await running.as(svid).fetch('/internal/billing')
 * @throws {ConfigurationError} `server_unsuitable` when the application listens without TLS
 */
export async function serve(guard: ServingGuard, app: ServableApp): Promise<Running> {
  if (typeof app !== 'function') {
    if (!('setSecureContext' in app.server)) {
      throw new ConfigurationError(
        'server_unsuitable',
        'found an application without TLS, expected one made with { https: guard.tlsOptions() }',
      )
    }
    await app.listen({ host: '127.0.0.1', port: 0 })
    return new Running(app.server, async () => {
      await app.close()
    })
  }
  const server = createServer(guard.tlsOptions(), app)
  guard.attach(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return new Running(server, () => closeServer(server))
}

/** A served application and the peers that call it. */
export class Running {
  /** `https://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** The server that listens; for tests of its events and connections. */
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

  /** A peer with a connection of its own that shows this SVID, or no certificate at all for null. */
  as(svid: TestSvid | null, options: PeerOptions = {}): Peer {
    const peer = new Peer(this.port, svid, options)
    this.#peers.add(peer)
    return peer
  }

  /** Ends every peer's connections, then the server. */
  async close(): Promise<void> {
    for (const peer of this.#peers) peer.close()
    this.#peers.clear()
    await this.#stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What `serve` needs of a guard. */
export interface ServingGuard {
  tlsOptions(): ServerOptions
  attach(server: Server): unknown
}

/** What `serve` can serve: an Express application or another request listener, or a Fastify instance. */
export type ServableApp =
  | ((request: IncomingMessage, response: ServerResponse) => unknown)
  | {
      readonly server: NetServer
      listen(options: { host: string; port: number }): PromiseLike<unknown>
      close(): PromiseLike<unknown>
    }

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    server.closeAllConnections()
  })
}
