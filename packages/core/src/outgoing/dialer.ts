import type { TLSSocket } from 'node:tls'
import { describeThrown } from '@countersign/spiffe/options'
import { type TrustState, MaterialGate } from '../connection/material-gate.ts'
import type { PeerRefusal } from '../connection/connection.ts'
import { addressOf } from '../connection/describe-peer.ts'
import type { TrustScope } from '../connection/trust-scope.ts'
import { ExpiryTimers } from '../connection/expiry-timers.ts'
import { SourceFollower } from '../connection/source-follower.ts'
import { withoutMaterial } from '../connection/verify-peer.ts'
import type { CallError } from '../errors.ts'
import { createReporter, type Reporter } from '../events.ts'
import type { Principal } from '../principal/principal.ts'
import { createClosedError, createOwnCertificateError, createRefusalError } from './call-error.ts'
import { type DialerOptions, type ParsedDialerOptions, parseDialerOptions } from './dialer-options.ts'
import { HostServers } from './host-servers.ts'
import type { DialTlsOptions, ServerCheck, ServerVerdict } from './server-check.ts'
import { WorkloadServers } from './workload-servers.ts'

/** One connection to be opened. */
export interface Dial {
  /** Options for `tls.connect`. Use them unchanged, together with those that say where to connect. */
  readonly tlsOptions: DialTlsOptions
  /**
   * Verifies the server after the handshake. Returns the server's principal, null if servers are identified by host
   * name, or undefined if the server was refused.
   *
   * The socket of a refused server is destroyed with a `CallError`. The same happens later if its certificate expires,
   * its authority is withdrawn, or we no longer have a valid certificate.
   */
  accept(socket: TLSSocket): Principal | null | undefined
}

/** An open connection, and our certificate with which it was opened. */
interface Call {
  readonly server: string
  readonly own: string
  isStale: boolean
}

/**
 * Guards outgoing calls: provides the current certificate for each connection, verifies the server, and reports which
 * connections must not be reused. The HTTP client (an agent or a dispatcher) leaves all security decisions to the
 * dialer.
 */
export class Dialer {
  readonly #options: ParsedDialerOptions
  readonly #material: MaterialGate
  readonly #servers: ServerCheck
  readonly #report: Reporter
  readonly #calls = new Map<TLSSocket, Call>()
  readonly #expiry = new ExpiryTimers()
  readonly #staleListeners = new Set<(socket: TLSSocket) => void>()
  readonly #stop: () => void
  #isClosed = false
  #tls: { readonly trustState: TrustState; readonly options: DialTlsOptions } | undefined
  #loss: { readonly code: string; readonly detail: string } = {
    code: withoutMaterial.reason,
    detail: 'the source has no material',
  }

  constructor(options: ParsedDialerOptions) {
    this.#options = options
    const report = createReporter(options.log)
    this.#report = (event) => {
      if (event.type === 'source' && event.outcome === 'lost') {
        this.#loss = { code: event.code ?? withoutMaterial.reason, detail: event.detail }
      }
      report(event)
    }
    const scope = createTrustScope(options)
    this.#material = new MaterialGate(options.source, { scope, maxCertificateLifetime: undefined }, this.#report)
    this.#servers =
      options.names.kind === 'hosts'
        ? new HostServers(options.names.ca, this.#expiry)
        : new WorkloadServers(
            this.#report,
            (socket) => ({ ...addressOf(socket), server: this.#serverOf(socket) }),
            this.#expiry,
          )
    const follower = new SourceFollower({
      source: options.source,
      material: this.#material,
      onChange: (trustState) => this.#change(trustState),
      onNotice: (notice) => this.#report({ type: 'source', ...notice }),
      onEnd: () => undefined,
    })
    this.#stop = follower.add(() => undefined)
  }

  /**
   * Starts a connection to `server` (host and port, used in messages and events).
   *
   * @throws {CallError} `own_certificate_missing` if we have no valid certificate of our own; `call_unsuitable` after
   * `close`
   */
  begin(server: string): Dial {
    if (this.#isClosed) throw createClosedError(server)
    const trustState = this.#material.current(Date.now())
    if (trustState === undefined) throw createOwnCertificateError(server, this.#loss)
    return {
      tlsOptions: this.#createTlsOptions(trustState),
      accept: (socket) => this.#accept(socket, { server, own: trustState.own.sha256, isStale: false }),
    }
  }

  /**
   * Returns the reason not to send a request now on an open connection, or undefined. Call it for connections kept from
   * earlier requests.
   */
  refusalOf(socket: TLSSocket): CallError | undefined {
    const now = Date.now()
    const server = this.#serverOf(socket)
    const trustState = this.#material.latest(now)
    if (trustState === undefined) return createOwnCertificateError(server, this.#loss)
    if (this.#servers.holds(socket, trustState, now)) return undefined
    return this.#refuse(server, { ok: false, reason: 'identity_expired', detail: 'its certificate has expired' })
  }

  /**
   * Returns whether an open connection may be kept for another request: it uses the current certificate and is not
   * about to close.
   */
  isKept(socket: TLSSocket): boolean {
    return this.#calls.get(socket)?.isStale === false
  }

  /** Calls back for each open connection that must not be given another request. Returns a function that stops this. */
  onStale(listener: (socket: TLSSocket) => void): () => void {
    this.#staleListeners.add(listener)
    return () => this.#staleListeners.delete(listener)
  }

  /**
   * Destroys connections whose certificate has expired, before a request is sent. For clients that cannot check the
   * connection they are about to use.
   *
   * @throws {CallError} `own_certificate_missing` if we have no valid certificate of our own
   */
  check(describeServer: () => string): void {
    const now = Date.now()
    if (this.#material.latest(now) === undefined) throw createOwnCertificateError(describeServer(), this.#loss)
    for (const socket of this.#expiry.listExpired(now)) {
      // Under new authorities the certificate may have become valid for longer.
      const refusal = this.refusalOf(socket)
      if (refusal !== undefined) socket.destroy(refusal)
    }
  }

  /** Stops following the source. No further connection can be opened, and open ones are no longer updated. */
  close(): void {
    this.#isClosed = true
    this.#stop()
    this.#staleListeners.clear()
  }

  #createTlsOptions(trustState: TrustState): DialTlsOptions {
    // Cached, because parsing a key and a certificate is expensive compared with a handshake, and the result is the
    // same each time.
    if (this.#tls?.trustState !== trustState) {
      this.#tls = { trustState, options: this.#servers.createTlsOptions(trustState, this.#options.minVersion) }
    }
    return this.#tls.options
  }

  #accept(socket: TLSSocket, call: Call): Principal | null | undefined {
    this.#calls.set(socket, call)
    socket.once('close', () => this.#calls.delete(socket))
    const trustState = this.#material.current(Date.now())
    const verdict = this.#verify(socket, call, trustState)
    if (!verdict.ok) return undefined
    // The certificate rotated during the handshake: this connection serves only the request that it was opened for.
    if (trustState?.own.sha256 !== call.own) this.#retire(socket, call)
    return verdict.principal
  }

  #verify(socket: TLSSocket, call: Call, trustState: TrustState | undefined): ServerVerdict {
    const end = (why: PeerRefusal): void => {
      socket.destroy(this.#refuse(call.server, why))
    }
    try {
      return this.#servers.accept(socket, trustState, { end, announce: () => this.#retire(socket, call) })
    } catch (error) {
      // An exception here would terminate the process, so a hostile certificate must not be able to cause one.
      const detail = describeThrown(error)
      const refusal: PeerRefusal = { ok: false, reason: 'verification_failed', detail }
      this.#report({ type: 'authentication', outcome: 'refused', at: Date.now(), reason: refusal.reason, detail })
      end(refusal)
      return refusal
    }
  }

  #refuse(server: string, why: PeerRefusal): CallError {
    if (why === withoutMaterial) return createOwnCertificateError(server, this.#loss)
    const { names } = this.#options
    return createRefusalError(server, why, names.kind === 'hosts' ? 'this host' : names.expected)
  }

  #change(trustState: TrustState | undefined): void {
    if (this.#tls?.trustState !== trustState) this.#tls = undefined
    this.#servers.endUnproved(trustState)
    for (const [socket, call] of this.#calls) {
      if (call.own !== trustState?.own.sha256) this.#retire(socket, call)
    }
  }

  #retire(socket: TLSSocket, call: Call): void {
    if (call.isStale) return
    call.isStale = true
    for (const listener of this.#staleListeners) listener(socket)
  }

  #serverOf(socket: TLSSocket): string {
    return this.#calls.get(socket)?.server ?? 'the server'
  }
}

/**
 * Creates a dialer, for packages that open connections.
 *
 * @throws {ConfigurationError} the message starts with `where` and names the option, its value and the fix
 * @throws {SourceError} if the source has no valid certificate
 */
export function createDialer(source: unknown, options: DialerOptions, where: string): Dialer {
  return new Dialer(parseDialerOptions(source, options, where))
}

function createTrustScope({ names, localTrustDomain }: ParsedDialerOptions): TrustScope {
  if (names.kind === 'hosts' || localTrustDomain === undefined) return { kind: 'own' }
  return { ...names, kind: 'servers', localTrustDomain }
}
