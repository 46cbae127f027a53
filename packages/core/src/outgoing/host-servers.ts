import { createSecureContext, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import type { TrustState } from '../connection/material-gate.ts'
import type { ConnectionEnd, PeerRefusal } from '../connection/connection.ts'
import type { ExpiryTimers, Validity } from '../connection/expiry-timers.ts'
import { createTlsOptions, type MinVersion } from '../connection/tls-options.ts'
import { withoutMaterial } from '../connection/verify-peer.ts'
import type { DialTlsOptions, ServerCheck, ServerVerdict } from './server-check.ts'

/**
 * Servers identified by host name. Node verifies the name and the chain; this class watches for the expiry of their
 * certificates.
 */
export class HostServers implements ServerCheck {
  readonly #ca: readonly string[]
  readonly #expiry: ExpiryTimers
  readonly #open = new Set<ConnectionEnd>()

  constructor(ca: readonly string[], expiry: ExpiryTimers) {
    this.#ca = ca
    this.#expiry = expiry
  }

  createTlsOptions(trustState: TrustState, minVersion: MinVersion): DialTlsOptions {
    const { key, cert, secureOptions } = createTlsOptions(trustState, minVersion)
    const secureContext = createSecureContext({ key, cert, ca: [...this.#ca], minVersion, secureOptions })
    return { secureContext, rejectUnauthorized: true }
  }

  accept(socket: TLSSocket, trustState: TrustState | undefined, ends: ConnectionEnd): ServerVerdict {
    const refusal = findRefusal(socket, trustState)
    if (refusal !== undefined) {
      ends.end(refusal)
      return refusal
    }
    const validity = readValidity(socket, Date.now())
    const expire = (): void => ends.end(describeExpiry(validity.expiresAt))
    this.#expiry.watch(socket, validity, { announce: ends.announce, expire })
    this.#open.add(ends)
    socket.once('close', () => {
      this.#open.delete(ends)
      this.#expiry.forget(socket)
    })
    return { ok: true, principal: null }
  }

  holds(socket: TLSSocket, _accepted: TrustState, now: number): boolean {
    return this.#expiry.isValid(socket, now)
  }

  endUnproved(trustState: TrustState | undefined): void {
    if (trustState !== undefined) return
    for (const { end } of this.#open) end(withoutMaterial)
  }
}

function findRefusal(socket: TLSSocket, trustState: TrustState | undefined): PeerRefusal | undefined {
  if (trustState === undefined) return withoutMaterial
  if (socket.isSessionReused()) {
    return { ok: false, reason: 'session_resumed', detail: 'the session was resumed, expected a full handshake' }
  }
  if (socket.authorized) return undefined
  return { ok: false, reason: 'tls_refused', detail: String(socket.authorizationError) }
}

function describeExpiry(expiresAt: number): PeerRefusal {
  const detail = `the certificate expired at ${new Date(expiresAt).toISOString()} while its connection was open`
  return { ok: false, reason: 'identity_expired', detail }
}

// Returns epoch milliseconds: the leaf's validity, cut short by the earliest expiry of any issuer that Node may have
// used. An issuer that has already expired cannot have been used, such as an old root that cross-signed a new one.
//
// The values come from Node's own parsing of the handshake's certificates, because another parser could find a
// different certificate in the same bytes.
function readValidity(socket: TLSSocket, now: number): Validity {
  const leaf = socket.getPeerCertificate(true)
  const ends: number[] = []
  let issuer: DetailedPeerCertificate | undefined = leaf.issuerCertificate
  for (let last = leaf; issuer !== undefined && issuer !== last; issuer = issuer.issuerCertificate) {
    ends.push(endOf(issuer))
    last = issuer
  }
  return {
    notBefore: Date.parse(leaf.valid_from),
    expiresAt: Math.min(endOf(leaf), ...ends.filter((end) => now < end)),
  }
}

// A certificate is valid through the whole of its last second. An unparsable date counts as expired.
function endOf({ valid_to: end }: DetailedPeerCertificate): number {
  return (Date.parse(end) || 0) + 1000
}
