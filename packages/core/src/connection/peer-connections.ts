import type { TLSSocket } from 'node:tls'
import { describeThrown } from '@countersign/spiffe/options'
import type { Reporter } from '../events.ts'
import type { TrustState } from './material-gate.ts'
import { Connection, type ConnectionEnd, type PeerVerdict } from './connection.ts'
import { ConnectionExpiry, type ExpiryPolicy } from './connection-expiry.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { ExpiryTimers } from './expiry-timers.ts'
import { type PeerLocation, PeerReports } from './peer-reports.ts'
import { PeerVerdicts, type VerdictPolicy } from './peer-verdicts.ts'
import { Sweep } from './sweep.ts'
import { withoutCertificate, withoutMaterial } from './verify-peer.ts'

/** How peers are treated. */
export interface PeerPolicy extends ExpiryPolicy, VerdictPolicy {
  /** Returns what events report about a peer's location. Default: its address. */
  readonly describeSocket?: (socket: TLSSocket) => PeerLocation
  /**
   * Returns whether a caller may connect without a certificate at `now` (epoch milliseconds), so that its requests are
   * proven otherwise or are anonymous. Default: never.
   */
  readonly acceptsWithoutCertificate?: ((now: number) => boolean) | undefined
}

/**
 * The connections of every attached server, or of a dialer. Each peer is verified once, when its handshake completes; a
 * request only looks up the verdict. A connection that is not in here was never verified.
 */
export class PeerConnections {
  readonly registry: ConnectionRegistry = new ConnectionRegistry()
  readonly reports: PeerReports
  readonly verdicts: PeerVerdicts
  readonly expiry: ConnectionExpiry
  readonly #sweep = new Sweep<Connection>()
  readonly #acceptsWithoutCertificate: (now: number) => boolean

  constructor(report: Reporter, policy: PeerPolicy, expiry: ExpiryTimers = new ExpiryTimers()) {
    this.reports = new PeerReports(report, policy.describeSocket)
    this.verdicts = new PeerVerdicts(policy)
    this.#acceptsWithoutCertificate = policy.acceptsWithoutCertificate ?? (() => false)
    this.expiry = new ConnectionExpiry(policy, { registry: this.registry, reports: this.reports, expiry })
  }

  /**
   * Verifies the caller of a new connection, or closes it. Never throws.
   *
   * @param hasRequests whether the connection carries HTTP. Only then can something else than the certificate of the peer
   * prove a caller, or a rule allow an anonymous one.
   */
  acceptCaller(socket: TLSSocket, trustState: TrustState | undefined, now: number, hasRequests: boolean): void {
    try {
      const verdict = this.accept(socket, trustState, now)
      if (verdict === withoutCertificate && !hasRequests && !socket.destroyed) {
        this.reports.reportVerdict(socket, verdict, now)
        socket.destroy()
      }
    } catch (error) {
      // An exception here would end the process, and a hostile certificate must not be able to do that.
      socket.destroy()
      this.reports.reportFailure(describeThrown(error), now)
    }
  }

  /**
   * Verifies the peer of a new connection, stores the verdict, and closes the connection if there is no proof. Without
   * `ends`, closing means destroying the socket, and the announcement is a GOAWAY on the HTTP/2 session.
   */
  accept(socket: TLSSocket, trustState: TrustState | undefined, now: number, ends?: ConnectionEnd): PeerVerdict {
    const verdict = this.verdicts.verify(socket, trustState, { isCaller: ends === undefined, now })
    const isCaller = ends === undefined
    const isWithoutCertificate = isCaller && verdict === withoutCertificate && this.#acceptsWithoutCertificate(now)
    if (trustState !== undefined) this.#remember(socket, verdict, trustState, isWithoutCertificate, ends)
    // Decided for each request.
    if (isWithoutCertificate) return verdict
    this.reports.reportVerdict(socket, verdict, now)
    if (verdict.ok) this.reports.warnOfLongLife(socket, verdict.proof, now)
    else if (ends === undefined) socket.destroy()
    else ends.end(verdict)
    return verdict
  }

  /** Returns the current verdict. Verifies again only if the bundle that proved the peer was replaced. */
  verdictOf(connection: Connection, trustState: TrustState, now: number): PeerVerdict {
    const { verdict } = connection
    if (connection.trustState === trustState || !verdict.ok) return verdict
    const { trust } = trustState
    const verify = (): PeerVerdict => this.verdicts.verifyAgain(connection, verdict.proof, trustState, now)
    const again = trust.holds(verdict.proof) ? verdict : verify()
    // Assigned after verifying: if that throws, the old verdict must not count under the new material.
    connection.trustState = trustState
    connection.verdict = again
    if (!again.ok) this.reports.reportVerdict(connection.socket, again, now, true)
    // Under new authorities the same leaf may be valid for longer or shorter.
    else if (again.proof.expiresAt !== verdict.proof.expiresAt) this.expiry.watch(connection, again.proof)
    return again
  }

  /**
   * Closes the open connections of peers that the new material no longer proves, whatever is running on them. Without
   * material, closes all of them. Many connections are visited in turns, so that requests are answered in between;
   * `verdictOf` decides those in any case.
   */
  endUnproved(trustState: TrustState | undefined): void {
    this.#sweep.start(this.registry.listOpen(), (connection) => {
      const verdict = trustState === undefined ? withoutMaterial : this.#judge(connection, trustState)
      if (!verdict.ok) connection.end(verdict)
    })
  }

  // Nothing above a sweep catches exceptions, so one would end the process.
  #judge(connection: Connection, trustState: TrustState): PeerVerdict {
    try {
      return this.verdictOf(connection, trustState, Date.now())
    } catch (error) {
      return { ok: false, reason: 'verification_failed', detail: String(error) }
    }
  }

  #remember(
    socket: TLSSocket,
    verdict: PeerVerdict,
    trustState: TrustState,
    isWithoutCertificate: boolean,
    ends: ConnectionEnd | undefined,
  ): void {
    const extras = this.verdicts.extrasOf(verdict)
    const owner = this.registry
    const connection = new Connection({ owner, socket, extras, verdict, trustState, isWithoutCertificate, ends })
    this.registry.add(connection)
    if (!verdict.ok) return
    socket.once('close', () => {
      this.registry.remove(connection)
      this.expiry.forget(connection)
    })
    this.expiry.watch(connection, verdict.proof)
  }
}
