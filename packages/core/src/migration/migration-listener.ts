import { EventEmitter } from 'node:events'
import { IncomingMessage, Server as HttpServer } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Server as TlsServer } from 'node:tls'
import { readServerOption } from '../connection/node-internals.ts'
import { FirstByte } from './first-byte.ts'
import { refuseHttp2 } from './refuse-http2.ts'
import { SharedLifetime } from './shared-lifetime.ts'

/** Options of a listener that accepts TLS and plaintext on one port. */
export interface MigrationListenerOptions {
  /**
   * Milliseconds for which a connection may send nothing. Default: 5,000, which is enough for a client whose first
   * packet is lost twice. TCP sends it again after one second, and then after two more.
   */
  readonly firstByteTimeout?: number
  /** Called for each plaintext connection, before any HTTP is read. If it throws, the connection is closed. */
  readonly onPlaintext: (socket: Socket) => void
  /**
   * Returns whether plaintext is still accepted. Once it returns false or throws, plaintext connections are closed
   * within a second, including those with a request in progress.
   */
  readonly isOpen: () => boolean
}

/**
 * Creates a server that accepts TLS and plaintext on one port, and does not listen yet. A connection whose first byte
 * begins a TLS handshake is passed to `tlsServer`. Every other one is read as HTTP/1.1, with the timeouts and limits of
 * `tlsServer`, and its requests are emitted on `tlsServer`, so that the same gate and listeners receive them.
 *
 * If `tlsServer` does not listen itself, it shares the life of this server: it emits `listening`, reports this server's
 * address, and is closed with it. `close` closes idle and silent connections of both kinds; `closeAllConnections` closes
 * all of them.
 */
export function createMigrationListener(tlsServer: TlsServer, options: MigrationListenerOptions): HttpServer {
  return new MigrationServer(tlsServer, options)
}

// An `http.Server` that listens itself, because Node enforces `headersTimeout` and `requestTimeout`, and finds idle
// connections, only for servers that listen.
class MigrationServer extends HttpServer {
  readonly #tlsServer: TlsServer
  readonly #onPlaintext: (socket: Socket) => void
  readonly #isOpen: () => boolean
  readonly #firstByte: FirstByte
  readonly #lifetime: SharedLifetime
  readonly #open = new Set<Socket>()
  readonly #plaintext = new Set<Socket>()
  #deadlineTimer: NodeJS.Timeout | undefined

  constructor(tlsServer: TlsServer, { firstByteTimeout = 5000, onPlaintext, isOpen }: MigrationListenerOptions) {
    const maxHeaderSize = readServerOption(tlsServer, 'maxHeaderSize')
    const joinDuplicateHeaders = readServerOption(tlsServer, 'joinDuplicateHeaders')
    super({
      connectionsCheckingInterval: checkInterval,
      ...(typeof maxHeaderSize === 'number' && { maxHeaderSize }),
      ...(joinDuplicateHeaders === true && { joinDuplicateHeaders }),
    })
    this.#tlsServer = tlsServer
    this.#onPlaintext = onPlaintext
    this.#isOpen = isOpen
    this.#firstByte = new FirstByte(firstByteTimeout)
    this.#lifetime = new SharedLifetime(this, tlsServer, (socket) => this.#open.has(socket))
    this.on('listening', () => {
      this.#adoptLimits()
      clearInterval(this.#deadlineTimer)
      this.#deadlineTimer = setInterval(() => this.#closeAfterDeadline(), checkInterval).unref()
    })
    this.on('close', () => clearInterval(this.#deadlineTimer))
  }

  // Node calls `emit` for each connection and each request.
  override emit(event: string | symbol, ...values: readonly unknown[]): boolean {
    const [first, second] = values
    if (event === 'connection' && first instanceof Socket) {
      this.#accept(first)
      return true
    }
    if (isForwarded(event)) return this.#forward(event, values)
    if (event === 'clientError' && isHttp2Preface(first) && second instanceof Duplex) {
      refuseHttp2(second)
      return true
    }
    return EventEmitter.prototype.emit.call(this, event, ...values)
  }

  // Node asks whether an upgrade or an expectation has a listener, and answers it otherwise.
  override listenerCount(event: string | symbol, listener?: (...values: never) => unknown): number {
    if (isForwarded(event)) return this.#tlsServer.listenerCount(event)
    return listener === undefined ? super.listenerCount(event) : super.listenerCount(event, listener)
  }

  override close(onClose?: (error?: Error) => void): this {
    super.close(onClose)
    this.#firstByte.closeAll()
    this.#lifetime.closeIdle()
    return this
  }

  override closeAllConnections(): void {
    for (const socket of this.#open) socket.destroy()
  }

  #accept(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#plaintext.delete(socket)
    })
    // A later owner of the socket may have no listener, and a reset connection would then end the process.
    socket.on('error', ignoreError)
    this.#firstByte.read(socket, (byte) => {
      if (byte === handshakeByte) this.#acceptTls(socket)
      else this.#acceptPlaintext(socket)
    })
  }

  #acceptTls(socket: Socket): void {
    // As on a connection that a `tls.Server` accepts itself.
    socket.allowHalfOpen = false
    this.#tlsServer.emit('connection', socket)
  }

  #acceptPlaintext(socket: Socket): void {
    try {
      if (this.#isOpen()) this.#onPlaintext(socket)
      else socket.destroy()
    } catch {
      socket.destroy()
    }
    if (socket.destroyed) return
    this.#plaintext.add(socket)
    this.#adoptLimits()
    super.emit('connection', socket)
  }

  #forward(event: ForwardedEvent, values: readonly unknown[]): boolean {
    const [request] = values
    if (this.#isStillOpen()) return this.#tlsServer.emit(event, ...values)
    if (request instanceof IncomingMessage) request.socket.destroy()
    return true
  }

  #closeAfterDeadline(): void {
    if (this.#plaintext.size === 0 || this.#isStillOpen()) return
    for (const socket of this.#plaintext) socket.destroy()
  }

  #isStillOpen(): boolean {
    try {
      return this.#isOpen()
    } catch {
      return false
    }
  }

  // Read again for each connection, because frameworks set some of them late. An HTTP/2 server has only some.
  #adoptLimits(): void {
    for (const name of limits) {
      const value = readServerOption(this.#tlsServer, name)
      if (typeof value === 'number') Reflect.set(this, name, value)
    }
  }
}

/** Milliseconds between two checks of timeouts and of the deadline. Node's default of 30 seconds is for timeouts of minutes. */
const checkInterval = 1000

/** The content type of a TLS record with a handshake message (RFC 8446 §5.1). */
const handshakeByte = 0x16

const limits = [
  'timeout',
  'headersTimeout',
  'requestTimeout',
  'keepAliveTimeout',
  'keepAliveTimeoutBuffer',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'maxConnections',
] as const

type ForwardedEvent = 'request' | 'upgrade' | 'connect' | 'checkContinue' | 'checkExpectation'

function isForwarded(event: string | symbol): event is ForwardedEvent {
  return (
    event === 'request' ||
    event === 'upgrade' ||
    event === 'connect' ||
    event === 'checkContinue' ||
    event === 'checkExpectation'
  )
}

// Node's HTTP/1.1 parser recognizes the preface of HTTP/2 and stops.
function isHttp2Preface(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'HPE_PAUSED_H2_UPGRADE'
}

function ignoreError(): void {}
