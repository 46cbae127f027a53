import { createSecureContext, type TLSSocket } from 'node:tls'
import { isX509Svid } from '@countersign/spiffe/internal'
import type { TrustState } from '../connection/material-gate.ts'
import type { ConnectionEnd } from '../connection/connection.ts'
import type { ExpiryTimers } from '../connection/expiry-timers.ts'
import { PeerConnections } from '../connection/peer-connections.ts'
import { readServerChain } from '../connection/read-chain.ts'
import { createTlsOptions, type MinVersion } from '../connection/tls-options.ts'
import type { AuthenticationEvent, Reporter } from '../events.ts'
import { createPrincipal } from '../principal/create-principal.ts'
import type { DialTlsOptions, ServerCheck, ServerVerdict } from './server-check.ts'

/** Servers identified by SPIFFE ID. The code that verifies callers also verifies them. */
export class WorkloadServers implements ServerCheck {
  readonly #connections: PeerConnections

  readonly #expiry: ExpiryTimers

  constructor(
    report: Reporter,
    describeSocket: (socket: TLSSocket) => Pick<AuthenticationEvent, 'server'>,
    expiry: ExpiryTimers,
  ) {
    const policy = {
      onExpiry: 'close',
      maxCertificateLifetime: undefined,
      describeSocket,
      readPeerChain: readServerChain,
    } as const
    this.#connections = new PeerConnections(report, policy, expiry)
    this.#expiry = expiry
  }

  createTlsOptions(trustState: TrustState, minVersion: MinVersion): DialTlsOptions {
    const { key, cert, ca, secureOptions } = createTlsOptions(trustState, minVersion)
    return {
      secureContext: createSecureContext({ key, cert, ca, minVersion, secureOptions }),
      // OpenSSL's verdict still counts: `accept` refuses every server that OpenSSL refused. It verifies the chain
      // itself first, so that the error can name the server and the fault, which OpenSSL's error cannot.
      rejectUnauthorized: false,
      // X509-SVID §5: a workload is identified by its SPIFFE ID, not by its host names.
      checkServerIdentity: () => undefined,
    }
  }

  accept(socket: TLSSocket, trustState: TrustState | undefined, ends: ConnectionEnd): ServerVerdict {
    const verdict = this.#connections.accept(socket, trustState, Date.now(), ends)
    if (!verdict.ok) return verdict
    const { proof } = verdict
    const principal = isX509Svid(proof) ? createPrincipal(proof, withoutAuthorities) : null
    return { ok: true, principal }
  }

  holds(socket: TLSSocket, trustState: TrustState, now: number): boolean {
    const connection = this.#connections.registry.find({ httpVersionMajor: 1, socket })
    if (connection === undefined) return false
    return this.#connections.verdictOf(connection, trustState, now).ok && this.#expiry.isValid(socket, now)
  }

  endUnproved(trustState: TrustState | undefined): void {
    this.#connections.endUnproved(trustState)
  }
}

// Authorities are for callers; of a server only the SPIFFE ID matters.
const withoutAuthorities = { localTrustDomain: undefined, namespaces: new Set<string>() }
