import type { TLSSocket } from 'node:tls'
import type { Certificate } from '@countersign/spiffe'
import { type AuthenticationEvent, hasSubscribers, type Reporter } from '../events.ts'
import type { Connection, PeerRefusal, PeerVerdict } from './connection.ts'
import { describeEnd } from './describe-end.ts'
import { describeHandshake, findAddress } from './describe-handshake.ts'
import { addressOf, describeProof, validityOf, nameOf } from './describe-peer.ts'
import { describeLongLife, longCertificateLifetime } from './material-warnings.ts'
import type { Proof } from './proof.ts'

/** What an event reports about a peer's location. */
export type PeerLocation = Pick<AuthenticationEvent, 'remoteAddress' | 'server'>

/** Reports what happened to peers: accepted, refused, expired, or not authenticated because the handshake failed. */
export class PeerReports {
  readonly #report: Reporter
  readonly #locate: (socket: TLSSocket) => PeerLocation
  // Keyed by leaf, because new authorities produce a new proof of the same leaf.
  readonly #warned = new WeakSet<Certificate>()

  constructor(report: Reporter, locate: (socket: TLSSocket) => PeerLocation = addressOf) {
    this.#report = report
    this.#locate = locate
  }

  /** Reports a verdict. `wasAuthenticated` means that an earlier verdict accepted the same peer. */
  reportVerdict(socket: TLSSocket, verdict: PeerVerdict, now: number, wasAuthenticated = false): void {
    if (verdict.ok) {
      // This event is published only, and building it costs as much as looking up the verdict.
      if (!hasSubscribers('authentication')) return
      const about = { ...describeProof(verdict.proof), ...this.#locate(socket) }
      this.#report({ type: 'authentication', outcome: 'accepted', at: now, ...about })
    } else {
      const { ok: _, ...why } = verdict
      const about = { ...why, ...this.#locate(socket) }
      this.#report({ type: 'authentication', outcome: 'refused', at: now, ...about }, wasAuthenticated)
    }
  }

  /** Reports, once, a peer's certificate with a long lifetime. */
  warnOfLongLife(socket: TLSSocket, proof: Proof, now: number): void {
    if (this.#warned.has(proof.leaf)) return
    this.#warned.add(proof.leaf)
    const detail = describeLongLife(validityOf(proof), longCertificateLifetime)
    if (detail === undefined) return
    const about = { ...describeProof(proof), ...this.#locate(socket) }
    const reason = 'certificate_long_lived'
    this.#report({ type: 'authentication', outcome: 'warning', at: now, reason, detail, ...about })
  }

  /** Reports that a certificate expired while its connection was open, and returns the report as a verdict. */
  reportExpiry({ socket, verdict }: Pick<Connection, 'socket' | 'verdict'>, expiresAt: number): PeerRefusal {
    const end = verdict.ok ? describeEnd(verdict.proof) : `it expired at ${new Date(expiresAt).toISOString()}`
    const detail = `${end} while its connection was open`
    const about = verdict.ok ? nameOf(verdict.proof) : {}
    const expired: PeerRefusal = { ok: false, reason: 'identity_expired', detail, ...about }
    this.reportVerdict(socket, expired, Date.now(), true)
    return expired
  }

  /** Reports a peer whose verification threw. */
  reportFailure(detail: string, now: number): void {
    this.#report({ type: 'authentication', outcome: 'refused', at: now, reason: 'verification_failed', detail })
  }

  /**
   * Reports a handshake that OpenSSL failed before there was a connection. `hasMaterial`: whether we had a certificate
   * to present.
   */
  reportHandshake(error: Error, socket: TLSSocket, hasMaterial: boolean, now: number): void {
    const remoteAddress = findAddress(socket)
    const from = remoteAddress === undefined ? {} : { remoteAddress }
    const why = hasMaterial
      ? { reason: 'handshake_failed', detail: describeHandshake(error, socket) }
      : { reason: 'source_unavailable', detail: 'the source has no valid certificate to present' }
    this.#report({ type: 'authentication', outcome: 'refused', at: now, ...why, ...from })
  }

  /** Reports a caller that uses another protocol than the server. `verdict` is the verdict on its connection. */
  reportProtocol(socket: TLSSocket, verdict: PeerVerdict | undefined, now: number): void {
    const about = { ...(verdict?.ok === true && describeProof(verdict.proof)), ...addressOf(socket) }
    const reason = 'protocol_unsupported'
    const detail =
      'the caller did not negotiate HTTP/2, and the server speaks only HTTP/2; to serve HTTP/1.1 as well, create it with allowHTTP1: true'
    this.#report({ type: 'authentication', outcome: 'refused', at: now, reason, detail, ...about })
  }
}
