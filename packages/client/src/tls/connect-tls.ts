import type { TLSSocket } from 'node:tls'
import { CallError, type Principal, SourceError, type SubjectSource, type X509Source } from '@countersign/core'
import { createDialer, type Dialer, type DialerOptions } from '@countersign/core/adapter'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect, describe } from '../connect.ts'
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
  /**
   * Called once when another connection should take the place of this one: our certificate was replaced, or a tenth of
   * the life of the server's remains, at most 30 seconds.
   */
  readonly onStale?: () => void
}

/** A connection to a verified server. */
export type ServerSocket = TLSSocket & {
  /** Who the server is; null where servers have host names. */
  readonly principal: Principal | null
}

/**
 * Connects to a server without HTTP. The connection is destroyed with a `CallError` once its server's certificate expires
 * or its authority is withdrawn. It outlives our own certificate: whoever keeps it open connects anew when
 * `onStale` is called.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {CallError} when the server cannot be reached or is refused, or the source has no valid certificate
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

// Whoever connects anew does so while the service runs: then a source without a certificate is no error of the start.
function openDialer(source: X509Source | SubjectSource, options: DialerOptions, server: string): Dialer {
  try {
    return createDialer(source, options, 'connectTls')
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause
    const message = `${server} was not called, because there is no valid certificate of our own: ${cause.message}`
    throw new CallError('own_certificate_missing', message, { reason: cause.code, server, cause })
  }
}

function reportOnce(dialer: Dialer, socket: TLSSocket, onStale: () => void): void {
  const stop = dialer.onStale(() => {
    stop()
    onStale()
  })
  // Rotated during the handshake; not before whoever called has the socket.
  if (dialer.isKept(socket)) return
  stop()
  setImmediate(onStale)
}
