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

/** One connection to be made. */
export interface Dial {
  /** Options for `tls.connect`, to be used as they are, beside those that say where to connect to. */
  readonly tlsOptions: DialTlsOptions
  /**
   * Verifies the server once the handshake is complete. Whoever is refused has its socket destroyed with a `CallError`,
   * then or later: when its certificate expires, its authority is withdrawn or we have no valid certificate any more.
   * Gives who it is, null where servers have host names, or undefined when it was refused.
   */
  accept(socket: TLSSocket): Principal | null | undefined
}

/** A connection that is open, and under which certificate of ours it was made. */
interface Call {
  readonly server: string
  readonly own: string
  isStale: boolean
}

/**
 * The guard of calls that this service makes: gives each connection the current certificate, verifies who answers, and
 * says which connections must not be used again. What carries requests (an agent, a dispatcher) asks it and decides
 * nothing itself.
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
  #tls: { readonly accepted: TrustState; readonly options: DialTlsOptions } | undefined
  #loss: { readonly code: string; readonly detail: string } = {
    code: withoutMaterial.reason,
    detail: 'the source has none',
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
    const scope = createRealm(options)
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
      onChange: (accepted) => this.#change(accepted),
      onNotice: (notice) => this.#report({ type: 'source', ...notice }),
      onEnd: () => undefined,
    })
    this.#stop = follower.add(() => undefined)
  }

  /**
   * Begins a connection to `server` (host and port, for messages and events).
   *
   * @throws {CallError} `own_certificate_missing` when there is no valid certificate of our own; `call_unsuitable` after
   * `close`
   */
  begin(server: string): Dial {
    if (this.#isClosed) throw createClosedError(server)
    const accepted = this.#material.current(Date.now())
    if (accepted === undefined) throw createOwnCertificateError(server, this.#loss)
    return {
      tlsOptions: this.#createTlsOptions(accepted),
      accept: (socket) => this.#accept(socket, { server, own: accepted.own.sha256, isStale: false }),
    }
  }

  /** Why no request may be sent now on this open connection, or undefined: for those that were kept from earlier ones. */
  refusalOf(socket: TLSSocket): CallError | undefined {
    const now = Date.now()
    const server = this.#serverOf(socket)
    const accepted = this.#material.latest(now)
    if (accepted === undefined) return createOwnCertificateError(server, this.#loss)
    if (this.#servers.holds(socket, accepted, now)) return undefined
    return this.#refuse(server, { ok: false, reason: 'identity_expired', detail: 'its certificate has expired' })
  }

  /** Whether an open connection may be kept for another request: made with the current certificate, and not near its end. */
  isKept(socket: TLSSocket): boolean {
    return this.#calls.get(socket)?.isStale === false
  }

  /** Tells of each open connection that must not be given another request; gives the function that ends it. */
  onStale(listener: (socket: TLSSocket) => void): () => void {
    this.#staleListeners.add(listener)
    return () => this.#staleListeners.delete(listener)
  }

  /**
   * Looks at the clock before a request is sent by what cannot ask for a connection: whatever has expired is ended.
   *
   * @throws {CallError} `own_certificate_missing` when there is no valid certificate of our own
   */
  check(describeServer: () => string): void {
    const now = Date.now()
    if (this.#material.latest(now) === undefined) throw createOwnCertificateError(describeServer(), this.#loss)
    for (const socket of this.#expiry.listExpired(now)) {
      // Under other authorities its certificate may have come to hold for longer.
      const refusal = this.refusalOf(socket)
      if (refusal !== undefined) socket.destroy(refusal)
    }
  }

  /** Ends following the source: no connection can be made any more, and those that are open are followed no longer. */
  close(): void {
    this.#isClosed = true
    this.#stop()
    this.#staleListeners.clear()
  }

  #createTlsOptions(accepted: TrustState): DialTlsOptions {
    // PathSemantics a key and a certificate is dear beside a handshake that is otherwise the same each time.
    if (this.#tls?.accepted !== accepted) {
      this.#tls = { accepted, options: this.#servers.createTlsOptions(accepted, this.#options.minVersion) }
    }
    return this.#tls.options
  }

  #accept(socket: TLSSocket, call: Call): Principal | null | undefined {
    this.#calls.set(socket, call)
    socket.once('close', () => this.#calls.delete(socket))
    const accepted = this.#material.current(Date.now())
    const verdict = this.#verify(socket, call, accepted)
    if (!verdict.ok) return undefined
    // Rotated during the handshake: good for the request that it was made for.
    if (accepted?.own.sha256 !== call.own) this.#retire(socket, call)
    return verdict.principal
  }

  #verify(socket: TLSSocket, call: Call, accepted: TrustState | undefined): ServerVerdict {
    const end = (why: PeerRefusal): void => {
      socket.destroy(this.#refuse(call.server, why))
    }
    try {
      return this.#servers.accept(socket, accepted, { end, announce: () => this.#retire(socket, call) })
    } catch (error) {
      // An exception here would end the process: one hostile certificate must not be able to do that.
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

  #change(accepted: TrustState | undefined): void {
    if (this.#tls?.accepted !== accepted) this.#tls = undefined
    this.#servers.endUnproved(accepted)
    for (const [socket, call] of this.#calls) {
      if (call.own !== accepted?.own.sha256) this.#retire(socket, call)
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
 * Creates the guard of the calls that a service makes; for packages that make connections.
 *
 * @throws {ConfigurationError} naming option, value and remedy; `where` begins the message
 * @throws {SourceError} when the source has no valid certificate
 */
export function createDialer(source: unknown, options: DialerOptions, where: string): Dialer {
  return new Dialer(parseDialerOptions(source, options, where))
}

function createRealm({ names, localTrustDomain }: ParsedDialerOptions): TrustScope {
  if (names.kind === 'hosts' || localTrustDomain === undefined) return { kind: 'own' }
  return { ...names, kind: 'servers', localTrustDomain }
}
