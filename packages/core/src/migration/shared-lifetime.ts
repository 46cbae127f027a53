import type { Http2Session } from 'node:http2'
import type { Server, Socket } from 'node:net'
import { Server as TlsServer, TLSSocket } from 'node:tls'
import { findSocketBelow } from '../connection/node-internals.ts'

/**
 * Lets a TLS server start and stop with the listener that passes connections to it. Without this, Node would not enforce
 * its timeouts, and its `listening` and `close` listeners would not run: those check its routes and follow its
 * certificate.
 */
export class SharedLifetime {
  readonly #listener: Server
  readonly #tlsServer: TlsServer
  readonly #isOurs: (socket: Socket) => boolean
  readonly #sessions = new Set<Http2Session>()
  #isStartedHere = false
  #isTlsClosed = false

  /** Begins when `listener` listens. `isOurs`: whether the listener accepted a connection. */
  constructor(listener: Server, tlsServer: TlsServer, isOurs: (socket: Socket) => boolean) {
    this.#listener = listener
    this.#tlsServer = tlsServer
    this.#isOurs = isOurs
    listener.on('listening', () => this.#start())
    listener.on('close', () => this.#stop())
  }

  /** Closes idle connections of the TLS server, as its own `close` would. Requests in progress complete. */
  closeIdle(): void {
    for (const session of this.#sessions) session.close()
    const close: unknown = Reflect.get(this.#tlsServer, 'closeIdleConnections')
    if (typeof close === 'function') Reflect.apply(close, this.#tlsServer, [])
  }

  #start(): void {
    this.#tlsServer.on('session', this.#trackSession)
    this.#tlsServer.on('close', this.#closeListener)
    if (this.#tlsServer.listening) return
    this.#isStartedHere = true
    this.#isTlsClosed = false
    Reflect.defineProperty(this.#tlsServer, 'address', {
      value: () => TlsServer.prototype.address.call(this.#tlsServer) ?? this.#listener.address(),
      configurable: true,
    })
    this.#tlsServer.emit('listening')
  }

  #stop(): void {
    this.#tlsServer.off('session', this.#trackSession)
    this.#tlsServer.off('close', this.#closeListener)
    if (!this.#isStartedHere) return
    this.#isStartedHere = false
    Reflect.deleteProperty(this.#tlsServer, 'address')
    if (!this.#isTlsClosed) this.#tlsServer.close()
  }

  // A failed check at startup closes the TLS server, and so do applications.
  readonly #closeListener = (): void => {
    this.#isTlsClosed = true
    if (this.#listener.listening) this.#listener.close()
  }

  readonly #trackSession = (session: Http2Session): void => {
    const below = session.socket instanceof TLSSocket ? findSocketBelow(session.socket) : undefined
    if (below === undefined || !this.#isOurs(below)) return
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
  }
}
