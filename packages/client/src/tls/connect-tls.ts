import type { TLSSocket } from 'node:tls'
import { createDialer, type Principal, type SubjectSource, type X509Source } from '@countersign/core'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect } from '../connect.ts'
import { checkConnectOptions } from './check-connect-options.ts'

/** What `connectTls` takes. */
export interface ConnectTlsOptions extends ClientOptions {
  readonly host: string
  readonly port: number
  /** The name that the server is asked for (SNI). Default: the host, if it is a name. */
  readonly servername?: string
  /** The protocols that are offered (ALPN). Default: none. */
  readonly protocols?: readonly string[]
  /** Ends the attempt to connect; once there is a connection it ends nothing. */
  readonly signal?: AbortSignal
}

/** A connection to a verified server. */
export type ServerSocket = TLSSocket & {
  /** Who the server is; null where servers have host names. */
  readonly principal: Principal | null
}

/**
 * Connects to a server without HTTP. The connection is destroyed with a `CallError` once its server's certificate expires
 * or its authority is withdrawn. It outlives our own certificate: whoever keeps it open connects anew after a rotation.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid certificate
 * @throws {CallError} when the server cannot be reached, or is refused
 * @example
 * const socket = await connectTls(source, { servers: ['spiffe://saas.example/ns/production/sa/ledger'], host: 'ledger', port: 7000 })
 * console.log(socket.principal?.name)
 */
export async function connectTls(
  source: X509Source | SubjectSource,
  options: ConnectTlsOptions,
): Promise<ServerSocket> {
  const further = ['host', 'port', 'servername', 'protocols', 'signal']
  const { dialer: dialerOptions, timeoutMs } = parseClientOptions(options, further, 'connectTls')
  checkConnectOptions(options)
  const { host, port, servername, protocols, signal } = options
  const dialer = createDialer(source, dialerOptions, 'connectTls')
  try {
    const { socket, principal } = await connect(dialer, { host, port, servername, protocols, timeoutMs, signal })
    socket.once('close', () => dialer.close())
    return Object.assign(socket, { principal })
  } catch (error) {
    dialer.close()
    throw error
  }
}
