import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { TrustState } from '../connection/material-gate.ts'
import type { ConnectionEnd, PeerRefusal } from '../connection/connection.ts'
import type { MinVersion } from '../connection/tls-options.ts'
import type { Principal } from '../principal/principal.ts'

/** The options of `tls.connect` that are ours; where to connect to and what to speak is the caller's. */
export type DialTlsOptions = Required<Pick<ConnectionOptions, 'secureContext' | 'rejectUnauthorized'>> &
  Pick<ConnectionOptions, 'checkServerIdentity'>

/** What was found of a server. */
export type ServerVerdict = { readonly ok: true; readonly principal: Principal | null } | PeerRefusal

/** How servers are known: by SPIFFE ID or by host name. */
export interface ServerCheck {
  /** For material that holds now. */
  createTlsOptions(accepted: TrustState, minVersion: MinVersion): DialTlsOptions
  /** Verifies the server of a connection whose handshake is complete, and sees the connection to its end. */
  accept(socket: TLSSocket, accepted: TrustState | undefined, ends: ConnectionEnd): ServerVerdict
  /** Whether its verdict still holds. */
  holds(socket: TLSSocket, accepted: TrustState, now: number): boolean
  /** Ends connections to servers that new material no longer proves; all of them when there is no material. */
  endUnproved(accepted: TrustState | undefined): void
}
