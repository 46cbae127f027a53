import type { Socket } from 'node:net'
import type { Server } from 'node:tls'
import { createTlsServer } from '@countersign/client'
import { authenticated, type X509Material, type X509Source } from '@countersign/core'

/**
 * Sends each peer its ID, `<SPIFFE ID>\n`, and closes, if the source has a bundle for its trust domain; disconnects
 * every other peer without a byte.
 *
 * A server is created for a fixed set of trust domains. The suite accepts every peer for which the agent delivers a
 * bundle, and adds bundles at run time, so servers are replaced one after the other.
 */
export class PeerPort {
  readonly #sockets = new Set<Socket>()
  #served: { readonly scope: string; readonly server: Server } | undefined

  constructor(source: X509Source) {
    source.onUpdate((material) => this.#follow(source, material))
  }

  /** Accepts a connection from which nothing has been read yet. */
  take(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    if (this.#served === undefined) socket.destroy()
    else this.#served.server.emit('connection', socket)
  }

  close(): void {
    this.#served?.server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #follow(source: X509Source, { svid, bundles }: X509Material): void {
    const trustDomains = [...bundles.keys()].toSorted()
    const scope = [svid.spiffeId.trustDomain, ...trustDomains].join(' ')
    if (this.#served?.scope === scope) return
    this.#served?.server.close()
    this.#served = { scope, server: serve(source, trustDomains) }
  }
}

function serve(source: X509Source, trustDomains: readonly string[]): Server {
  return createTlsServer(source, { callers: authenticated(), trustDomains }, (socket) => {
    socket.end(`${socket.principal.name}\n`)
  })
}
