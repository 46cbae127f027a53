import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { TrustState } from '../connection/material-gate.ts'
import type { ConnectionEnd, PeerRefusal } from '../connection/connection.ts'
import type { MinVersion } from '../connection/tls-options.ts'
import type { Principal } from '../principal/principal.ts'

/** The options of `tls.connect` that the dialer sets. The caller decides where to connect and which protocol to use. */
export type DialTlsOptions = Required<Pick<ConnectionOptions, 'secureContext' | 'rejectUnauthorized'>> &
  Pick<ConnectionOptions, 'checkServerIdentity'>

/** The verdict on a server. */
export type ServerVerdict = { readonly ok: true; readonly principal: Principal | null } | PeerRefusal

/** How servers are identified: by SPIFFE ID or by host name. */
export interface ServerCheck {
  /** Creates the TLS options for material that is valid now. */
  createTlsOptions(trustState: TrustState, minVersion: MinVersion): DialTlsOptions
  /** Verifies the server of a connection whose handshake is complete, and watches the connection until it closes. */
  accept(socket: TLSSocket, trustState: TrustState | undefined, ends: ConnectionEnd): ServerVerdict
  /** Returns whether the verdict on this connection is still valid. */
  holds(socket: TLSSocket, trustState: TrustState, now: number): boolean
  /** Closes connections to servers that the new material no longer proves, or all of them if there is no material. */
  endUnproved(trustState: TrustState | undefined): void
}
