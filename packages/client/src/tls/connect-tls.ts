import type { TLSSocket } from 'node:tls'
import { CallError, type Principal, SourceError, type SubjectSource, type X509Source } from '@countersign/core'
import { createDialer, type Dialer, type DialerOptions } from '@countersign/core/adapter'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect, describe } from '../connect.ts'
import { checkConnectOptions } from './check-connect-options.ts'

/** Options of `connectTls`. */
export interface ConnectTlsOptions extends ClientOptions {
  readonly host: string
  readonly port: number
  /** The server name to request (SNI). Default: the host, if it is a name. */
  readonly servername?: string
  /** The protocols to offer (ALPN). Default: none. */
  readonly protocols?: readonly string[]
  /** Aborts the attempt to connect. Has no effect once the connection is open. */
  readonly signal?: AbortSignal
  /**
   * Called once, when you should replace this connection: our certificate was rotated, or the server's certificate is
   * close to expiry (a tenth of its lifetime, at most 30 seconds).
   */
  readonly onStale?: () => void
}

/** A connection to a verified server. */
export type ServerSocket = TLSSocket & {
  /** The server's principal. Null if servers are identified by host name. */
  readonly principal: Principal | null
}

/**
 * Connects to a server without HTTP. The connection is destroyed with a `CallError` when the server's certificate
 * expires or its authority is withdrawn. It outlives our own certificate; to keep a connection open, reconnect when
 * `onStale` is called.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {CallError} if the server is unreachable or refused, or the source has no valid certificate
 * @example
 * const socket = await connectTls(source, { servers: ['spiffe://saas.example/ns/production/sa/ledger'], host: 'ledger', port: 7000 })
 * console.log(socket.principal?.name)
 */
export async function connectTls(
  source: X509Source | SubjectSource,
  options: ConnectTlsOptions,
): Promise<ServerSocket> {
  const further = ['host', 'port', 'servername', 'protocols', 'signal', 'onStale']
  const { dialer: dialerOptions, timeoutMs } = parseClientOptions(source, options, further, 'connectTls')
  checkConnectOptions(options)
  const { host, port, servername, protocols, signal, onStale } = options
  const dialer = openDialer(source, dialerOptions, describe({ host, port }))
  try {
    const { socket, principal } = await connect(dialer, {
      host,
      port,
      servername,
      name: servername,
      protocols,
      timeoutMs,
      signal,
    })
    socket.once('close', () => dialer.close())
    if (onStale !== undefined) reportOnce(dialer, socket, onStale)
    return Object.assign(socket, { principal })
  } catch (error) {
    dialer.close()
    throw error
  }
}

// Reconnecting happens while the service runs, so a source without a certificate is not a startup error here.
function openDialer(source: X509Source | SubjectSource, options: DialerOptions, server: string): Dialer {
  try {
    return createDialer(source, options, 'connectTls')
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause
    const message = `${server} was not called, because the source has no valid certificate: ${cause.message}`
    throw new CallError('own_certificate_missing', message, { reason: cause.code, server, cause })
  }
}

function reportOnce(dialer: Dialer, socket: TLSSocket, onStale: () => void): void {
  const stop = dialer.onStale(() => {
    stop()
    onStale()
  })
  // The certificate rotated during the handshake. Deferred until the caller has the socket.
  if (dialer.isKept(socket)) return
  stop()
  setImmediate(onStale)
}
