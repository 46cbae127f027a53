import { IncomingMessage, ServerResponse } from 'node:http'
import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { createDenial, type Denial } from '@countersign/authorization'
import type { X509Svid } from '@countersign/spiffe'
import { isX509Svid } from '@countersign/spiffe/internal'
import type { Accepted } from './connection/accepted-material.ts'
import { describeEnd } from './connection/describe-end.ts'
import { callerOf } from './connection/describe-peer.ts'
import { describeHandshake, findAddress } from './connection/describe-handshake.ts'
import { addressOf, describeProof } from './connection/describe-peer.ts'
import { injectedCaller, isInjectingSource } from './connection/injected-caller.ts'
import type { PeerVerdict } from './connection/connection.ts'
import { type ConnectedRequest, PeerConnections } from './connection/peer-connections.ts'
import type { Proof } from './connection/verdict-cache.ts'
import type { Reporter } from './events.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import { createPrincipal, createSubjectPrincipal } from './principal/create-principal.ts'
import { Principal } from './principal/principal.ts'

/** The left half of the way: from a connection to the principal of a request, or to the denial in its place. */
export class Authenticator {
  readonly connections: PeerConnections
  readonly #options: ParsedGuardOptions
  readonly #report: Reporter
  // One principal for each proof: its authorities are asked for once, and a dropped proof takes it along.
  readonly #principals = new WeakMap<Proof, Principal>()

  constructor(options: ParsedGuardOptions, report: Reporter) {
    this.#options = options
    this.#report = report
    this.connections = new PeerConnections(report, options)
  }

  /** Verifies the peer of a new connection, or ends it. */
  accept(socket: TLSSocket, accepted: Accepted | undefined, now: number): void {
    try {
      // On TLS 1.2 `SSL_OP_NO_RENEGOTIATION` refuses it too; this one does not depend on the context.
      if (socket.getProtocol() !== 'TLSv1.3') socket.disableRenegotiation()
      this.connections.accept(socket, accepted, now)
    } catch (error) {
      // An exception here would end the process: one hostile certificate must not be able to do that.
      socket.destroy()
      const detail = error instanceof Error ? error.message : 'it threw something that is no error'
      this.#report({ type: 'authentication', outcome: 'refused', at: now, reason: 'verification_failed', detail })
    }
  }

  /** Who sent this request, at `now`. */
  authenticate(request: ConnectedRequest, accepted: Accepted | undefined, now: number): Principal | Denial {
    if (accepted === undefined) {
      return createDenial(
        'source_unavailable',
        'there is no valid certificate of our own, so nobody can be authenticated',
      )
    }
    const connection = this.connections.find(request)
    if (connection === undefined) return this.#authenticateInjected(request, accepted, now)
    return this.#judge(this.connections.verdictOf(connection, accepted, now), now)
  }

  /** Ends the connection of a request whose peer proves nothing (any more); tells whether it did. */
  silence(request: ConnectedRequest, denial: Denial): boolean {
    const connection = this.connections.find(request)
    if (connection === undefined) return false
    const isExpired = denial.reason === 'identity_expired'
    if (connection.verdict.ok && !(isExpired && this.#options.onExpiry === 'close')) {
      // Nothing but refusals could follow: the peer is to connect with its renewed certificate.
      if (isExpired) connection.streams?.drain()
      return false
    }
    connection.socket.destroy()
    return true
  }

  /** Told of each request before anybody answers it. */
  begin(request: unknown, response: unknown): void {
    if (!this.connections.isWatching) return
    if (request instanceof IncomingMessage && response instanceof ServerResponse)
      this.connections.begin(request, response)
    else if (request instanceof Http2ServerRequest && response instanceof Http2ServerResponse) {
      this.connections.begin(request, response.stream)
    }
  }

  /** From here on the end of the peer's certificate ends the socket, whatever `onExpiry` says: no further request will. */
  markUpgraded(request: ConnectedRequest): void {
    const connection = this.connections.find(request)
    if (connection !== undefined) this.connections.markUpgraded(connection)
  }

  /** Reports a handshake that OpenSSL refused before we saw a connection. */
  reportHandshake(error: Error, socket: TLSSocket, accepted: Accepted | undefined, now: number): void {
    const remoteAddress = findAddress(socket)
    const from = remoteAddress === undefined ? {} : { remoteAddress }
    const why =
      accepted === undefined
        ? { reason: 'source_unavailable', detail: 'there is no valid certificate of our own to answer with' }
        : { reason: 'handshake_failed', detail: describeHandshake(error, socket) }
    this.#report({ type: 'authentication', outcome: 'refused', at: now, ...why, ...from })
  }

  /** Reports a verified caller that speaks something other than the server. */
  reportProtocol(socket: TLSSocket, now: number): void {
    const verdict = this.connections.find({ httpVersionMajor: 1, socket })?.verdict
    const about = verdict?.ok === true ? describeProof(verdict.proof) : {}
    const reason = 'protocol_unsupported'
    const detail =
      'the caller did not negotiate HTTP/2, and the server speaks nothing else; for HTTP/1.1 as well, make it with allowHTTP1: true'
    this.#report({
      type: 'authentication',
      outcome: 'refused',
      at: now,
      reason,
      detail,
      ...about,
      ...addressOf(socket),
    })
  }

  #authenticateInjected(request: ConnectedRequest, accepted: Accepted, now: number): Principal | Denial {
    if ('encrypted' in request.socket || request.httpVersionMajor >= 2) {
      return createDenial('guard_missing', 'the server is not attached; use createServer() or guard.attach(server)')
    }
    const { source } = this.#options
    const chain = isInjectingSource(source) ? source[injectedCaller]() : undefined
    if (chain === undefined) {
      return createDenial('unauthenticated', 'the request did not come over TLS, so nobody is proved to have sent it')
    }
    return this.#judge(this.connections.verifyChain(chain, accepted, now), now)
  }

  #judge(verdict: PeerVerdict, now: number): Principal | Denial {
    if (!verdict.ok) return createDenial('identity_invalid', `${verdict.reason}: ${verdict.detail}`)
    const { proof } = verdict
    if (now >= proof.expiresAt) {
      return createDenial('identity_expired', describeEnd(proof), { principal: callerOf(proof) })
    }
    const known = this.#principals.get(proof)
    if (known !== undefined) return known
    const principal = this.#createPrincipal(proof)
    // What failed once is asked again: a denial belongs to one request.
    if (principal instanceof Principal) this.#principals.set(proof, principal)
    return principal
  }

  #createPrincipal(proof: Proof): Principal | Denial {
    const { realm } = this.#options
    if (isX509Svid(proof)) return this.#createWorkload(proof)
    if (realm.kind === 'subject') return createSubjectPrincipal(proof, realm.identity)
    return createDenial('identity_invalid', 'found a certificate without a SPIFFE ID, expected an SVID')
  }

  #createWorkload(svid: X509Svid): Principal | Denial {
    try {
      return createPrincipal(svid, this.#options)
    } catch (error) {
      const message = error instanceof Error ? error.message : 'it threw something that is no error'
      return createDenial('evaluation_error', `the authorities of ${svid.spiffeId.toString()}: ${message}`, {
        principal: callerOf(svid),
      })
    }
  }
}
