import { IncomingMessage, ServerResponse } from 'node:http'
import { constants, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { ConnectedRequest, ConnectionRegistry } from './connection-registry.ts'
import type { Connection, EndableExchange, EndableRequest, EndableResponse } from './connection.ts'
import { announcementOf, type ExpiryTimers } from './expiry-timers.ts'
import type { PeerReports } from './peer-reports.ts'
import type { Proof } from './proof.ts'

/** What a connection does once its peer's certificate has expired. */
export interface ExpiryPolicy {
  /** Both announce the end and cut what runs when it comes. Then `close` closes the connection; `refuse` leaves it open until one more request was denied. */
  readonly onExpiry: 'close' | 'refuse'
}

/** What a life is made with. */
export interface LifeParts {
  readonly registry: ConnectionRegistry
  readonly reports: PeerReports
  readonly expiry: ExpiryTimers
}

/**
 * Sees each verified connection to its end: announced shortly before the peer's certificate expires, and kept at the
 * second, whatever runs on it.
 */
export class ConnectionLife {
  readonly #onExpiry: ExpiryPolicy['onExpiry']
  readonly #registry: ConnectionRegistry
  readonly #reports: PeerReports
  readonly #expiry: ExpiryTimers
  readonly #ending = new Set<Connection>()

  constructor({ onExpiry }: ExpiryPolicy, { registry, reports, expiry }: LifeParts) {
    this.#onExpiry = onExpiry
    this.#registry = registry
    this.#reports = reports
    this.#expiry = expiry
  }

  /** Watches a connection until it closes, in place of an earlier watch. */
  watch(connection: Connection, proof: Proof): void {
    const { expiresAt } = proof
    connection.isUnwatched = false
    connection.streams?.keep()
    const validity = { notBefore: proof.leaf.notBefore, expiresAt }
    this.#trackEnding(connection, Date.now() >= announcementOf(validity))
    this.#expiry.watch(connection.socket, validity, {
      announce: () => {
        this.#trackEnding(connection, true)
        connection.announce()
      },
      // An HTTP/2 session that was never at rest, or never without streams.
      remind: (isLast) => (isLast ? connection.streams?.close() : connection.streams?.drain('at once')),
      expire: () => this.#expire(connection, expiresAt),
    })
  }

  /** Called with each request and its response before anything answers it. */
  begin(request: unknown, response: unknown): void {
    // A request has to be known only if its connection may end while it runs.
    if (this.#onExpiry !== 'refuse' && this.#ending.size === 0) return
    if (request instanceof IncomingMessage && response instanceof ServerResponse) {
      this.#beginExchange(this.#registry.find(request), request, response)
    } else if (request instanceof Http2ServerRequest && response instanceof Http2ServerResponse) {
      this.#beginExchange(this.#registry.find(request), request, response.stream)
    }
  }

  /** From here on the end of the peer's certificate ends the socket, whatever `onExpiry` says: no further request will. */
  markUpgraded(request: ConnectedRequest): void {
    const connection = this.#registry.find(request)
    if (connection === undefined) return
    connection.isUpgraded = true
    this.#rewatch(connection)
  }

  /**
   * Closes the connection of a request that was denied for `reason` if its peer proves nothing (any more); returns whether
   * it did.
   */
  closeUnproved(request: ConnectedRequest, reason: string): boolean {
    const connection = this.#registry.find(request)
    if (connection === undefined) return false
    const isExpired = reason === 'identity_expired'
    if (connection.verdict.ok && !(isExpired && this.#onExpiry === 'close')) {
      // Nothing but refusals could follow: the peer is to connect with its renewed certificate.
      if (isExpired) connection.streams?.drain()
      return false
    }
    connection.socket.destroy()
    return true
  }

  // The response announces an end that is near, or that has come.
  #beginExchange(connection: Connection | undefined, request: EndableRequest, response: EndableResponse): void {
    if (connection === undefined) return
    const isRefusing = this.#onExpiry === 'refuse'
    if (isRefusing) this.#rewatch(connection)
    const isLast = connection.isEnding || (isRefusing && hasExpired(connection))
    if (isLast && connection.streams === undefined) response.shouldKeepAlive = false
    if (isRefusing) trackExchange(connection, request, response)
  }

  // A certificate had expired by a clock that ran ahead, and holds now that the clock is set.
  #rewatch(connection: Connection): void {
    const { isUnwatched, verdict } = connection
    if (isUnwatched && verdict.ok && !hasExpired(connection)) this.watch(connection, verdict.proof)
  }

  #trackEnding(connection: Connection, isEnding: boolean): void {
    const { socket } = connection
    connection.isEnding = isEnding
    if (!isEnding || socket.closed) this.#ending.delete(connection)
    else if (!this.#ending.has(connection)) {
      this.#ending.add(connection)
      socket.once('close', () => this.#ending.delete(connection))
    }
  }

  #expire(connection: Connection, expiresAt: number): void {
    if (this.#onExpiry === 'close' || connection.isUpgraded) {
      connection.end(this.#reports.reportExpiry(connection, expiresAt))
      return
    }
    connection.isUnwatched = true
    // One further request is answered 403, and the connection closes with it; what was let in before may not go on.
    const running = connection.running ?? new Set()
    if (running.size === 0) return
    this.#reports.reportExpiry(connection, expiresAt)
    // On HTTP/1 the socket itself: a handler may have taken it from its response.
    if (connection.streams === undefined) connection.socket.destroy()
    // On HTTP/2 `destroy` says that all is well, and a response cut short would look complete.
    for (const half of running) half.close?.(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

function trackExchange(connection: Connection, request: EndableRequest, response: EndableResponse): void {
  const running = connection.running ?? new Set()
  connection.running = running
  const track = (half: EndableExchange, onClose?: () => void): void => {
    running.add(half)
    half.once('close', () => {
      running.delete(half)
      onClose?.()
    })
  }
  // A handler may answer early and read on.
  track(response, () => {
    if (!request.complete && !request.destroyed) track(request)
  })
}

function hasExpired({ verdict }: Connection): boolean {
  return verdict.ok && Date.now() >= verdict.proof.expiresAt
}
