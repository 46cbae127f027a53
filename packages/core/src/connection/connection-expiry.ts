import { IncomingMessage, ServerResponse } from 'node:http'
import { constants, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { ConnectedRequest, ConnectionRegistry } from './connection-registry.ts'
import type { Connection, EndableExchange, EndableRequest, EndableResponse } from './connection.ts'
import { announcementOf, type ExpiryTimers } from './expiry-timers.ts'
import type { PeerReports } from './peer-reports.ts'
import type { Proof } from './proof.ts'

/** What a connection does once its peer's certificate has expired. */
export interface ExpiryPolicy {
  /**
   * Both announce the close and then abort running requests. `close` closes the connection at expiry; `refuse` leaves
   * it open until one more request has been denied.
   */
  readonly onExpiry: 'close' | 'refuse'
}

/** What a `ConnectionLife` uses. */
export interface ExpiryParts {
  readonly registry: ConnectionRegistry
  readonly reports: PeerReports
  readonly expiry: ExpiryTimers
}

/**
 * Watches each verified connection until it closes. Announces the close shortly before the peer's certificate expires,
 * and enforces it at expiry, whatever is running.
 */
export class ConnectionExpiry {
  readonly #onExpiry: ExpiryPolicy['onExpiry']
  readonly #registry: ConnectionRegistry
  readonly #reports: PeerReports
  readonly #expiry: ExpiryTimers
  readonly #ending = new Set<Connection>()

  constructor({ onExpiry }: ExpiryPolicy, { registry, reports, expiry }: ExpiryParts) {
    this.#onExpiry = onExpiry
    this.#registry = registry
    this.#reports = reports
    this.#expiry = expiry
  }

  /** Watches a connection until it is forgotten. Replaces an earlier watch. */
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
      // For an HTTP/2 session that was never idle, or never without open streams.
      remind: (isLast) => (isLast ? connection.streams?.close() : connection.streams?.drain('at once')),
      expire: () => this.#expire(connection, expiresAt),
    })
  }

  /** Stops watching a connection, which has closed. */
  forget(connection: Connection): void {
    this.#ending.delete(connection)
    this.#expiry.forget(connection.socket)
  }

  /** Tracks a request and its response. Call it before anything answers the request. */
  begin(request: unknown, response: unknown): void {
    // Only needed if the connection may close while the request runs.
    if (this.#onExpiry !== 'refuse' && this.#ending.size === 0) return
    if (request instanceof IncomingMessage && response instanceof ServerResponse) {
      this.#beginExchange(this.#registry.find(request), request, response)
    } else if (request instanceof Http2ServerRequest && response instanceof Http2ServerResponse) {
      this.#beginExchange(this.#registry.find(request), request, response.stream)
    }
  }

  /**
   * From now on, closes the socket when the peer's certificate expires, whatever the value of `onExpiry`, because no
   * further HTTP request is checked on it.
   */
  markWithoutHttp(request: ConnectedRequest): void {
    const connection = this.#registry.find(request)
    if (connection === undefined) return
    connection.isWithoutHttp = true
    this.#rewatch(connection)
  }

  /**
   * Closes the connection of a request denied for `reason` if its peer is not or no longer verified. Returns whether it
   * did.
   */
  closeUnproved(request: ConnectedRequest, reason: string): boolean {
    const connection = this.#registry.find(request)
    if (connection === undefined || connection.isWithoutCertificate) return false
    const isExpired = reason === 'identity_expired'
    if (connection.verdict.ok && !(isExpired && this.#onExpiry === 'close')) {
      // Every further request would be refused, so make the peer reconnect with its renewed certificate.
      if (isExpired) connection.streams?.drain()
      return false
    }
    connection.socket.destroy()
    return true
  }

  // Makes the response announce the close of the connection, if that is due.
  #beginExchange(connection: Connection | undefined, request: EndableRequest, response: EndableResponse): void {
    if (connection === undefined) return
    const isRefusing = this.#onExpiry === 'refuse'
    if (isRefusing) this.#rewatch(connection)
    const isLast = connection.isEnding || (isRefusing && hasExpired(connection))
    if (isLast && connection.streams === undefined) response.shouldKeepAlive = false
    if (isRefusing) trackExchange(connection, request, response)
  }

  // A clock that ran ahead made the certificate look expired; now that the clock is correct, it is valid again.
  #rewatch(connection: Connection): void {
    const { isUnwatched, verdict } = connection
    if (isUnwatched && verdict.ok && !hasExpired(connection)) this.watch(connection, verdict.proof)
  }

  #trackEnding(connection: Connection, isEnding: boolean): void {
    connection.isEnding = isEnding
    if (!isEnding || connection.socket.closed) this.#ending.delete(connection)
    else this.#ending.add(connection)
  }

  #expire(connection: Connection, expiresAt: number): void {
    if (this.#onExpiry === 'close' || connection.isWithoutHttp) {
      connection.end(this.#reports.reportExpiry(connection, expiresAt))
      return
    }
    connection.isUnwatched = true
    // One further request is answered with 403, and the connection closes with it. Earlier requests that are still
    // running are aborted.
    const running = connection.running ?? new Set()
    if (running.size === 0) return
    this.#reports.reportExpiry(connection, expiresAt)
    // On HTTP/1, destroy the socket itself, because a handler may have taken it from its response.
    if (connection.streams === undefined) connection.socket.destroy()
    // On HTTP/2, `destroy` would signal success, and a truncated response would look complete.
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
  // A handler may answer early and keep reading.
  track(response, () => {
    if (!request.complete && !request.destroyed) track(request)
  })
}

function hasExpired({ verdict }: Connection): boolean {
  return verdict.ok && Date.now() >= verdict.proof.expiresAt
}
