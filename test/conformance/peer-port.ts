import type { Socket } from 'node:net'
import type { Server } from 'node:tls'
import { createTlsServer } from '@countersign/client'
import { authenticated, type X509Material, type X509Source } from '@countersign/core'

/**
 * Tells each peer who it is: `<SPIFFE ID>\n` and the end, to anybody of a trust domain that the source has a bundle of;
 * to everybody else the end without a byte.
 *
 * A server is made for certain trust domains. The suite lets everybody in whom the agent gives a bundle for, and adds
 * bundles while it runs, so that there is one server after the other.
 */
export class PeerPort {
  readonly #sockets = new Set<Socket>()
  #served: { readonly scope: string; readonly server: Server } | undefined

  constructor(source: X509Source) {
    source.onUpdate((material) => this.#follow(source, material))
  }

  /** Takes a connection on which nothing was read yet. */
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
