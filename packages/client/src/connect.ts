import { isIP, type LookupFunction } from 'node:net'
import { checkServerIdentity, type ConnectionOptions, connect as connectSocket, type TLSSocket } from 'node:tls'
import { CallError, type Principal } from '@countersign/core'
import type { Dialer } from '@countersign/core/adapter'

/** Where to connect, and which protocols to offer. */
export interface Target {
  readonly host: string
  readonly port: number
  /** A Unix socket, used instead of host and port. */
  readonly path?: string | undefined
  /** The server name to request (SNI). Default: the host, if it is a name. */
  readonly servername?: string | undefined
  /**
   * The name that the certificate must have if servers are identified by host name. Default: the host. Never the `Host`
   * header, which a gateway may forward from any client.
   */
  readonly name?: string | undefined
  /** The protocols to offer (ALPN). */
  readonly protocols?: readonly string[] | undefined
  readonly family?: number | undefined
  readonly localAddress?: string | undefined
  readonly lookup?: LookupFunction | undefined
  /** Milliseconds for connecting and the handshake together. */
  readonly timeoutMs: number
  /** Aborts the attempt. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A connection to a verified server, with the server's principal. The principal is null if servers are identified by
 * host name.
 */
export interface Connected {
  readonly socket: TLSSocket
  readonly principal: Principal | null
}

/**
 * Connects, and resolves with the connection once its server is verified. Nothing is written before that. Rejects with
 * a `CallError`. Later socket errors are emitted to the socket's listeners, and do not terminate the process if there
 * are none.
 */
export async function connect(dialer: Dialer, target: Target): Promise<Connected> {
  const server = describe(target)
  const { signal, timeoutMs } = target
  signal?.throwIfAborted()
  const dial = dialer.begin(server)
  return new Promise((resolve, reject) => {
    const name = target.name ?? target.host
    const socket = connectSocket({
      ...endpointOf(target),
      checkServerIdentity: (_asked, certificate) => checkServerIdentity(name, certificate),
      ...dial.tlsOptions,
    })
    const abort = (): void => {
      socket.destroy()
      settle()
      reject(signal?.reason instanceof Error ? signal.reason : unreachable(server, 'the call was aborted', 'ABORT_ERR'))
    }
    const timer = setTimeout(() => {
      socket.destroy(unreachable(server, `no handshake within ${timeoutMs} ms`, 'ETIMEDOUT'))
    }, timeoutMs)
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    const fail = (error: Error): void => {
      settle()
      reject(error instanceof CallError ? error : explain(error, server, socket))
    }
    signal?.addEventListener('abort', abort, { once: true })
    socket.on('error', fail)
    socket.once('close', () => fail(unreachable(server, 'it closed the connection', 'ECONNRESET')))
    socket.once('secureConnect', () => {
      const principal = dial.accept(socket)
      // The socket's error follows.
      if (principal === undefined) return
      settle()
      resolve({ socket, principal })
    })
  })
}

/** Returns the host and port, or the socket path, for messages. */
export function describe({ host, port, path }: Pick<Target, 'host' | 'port' | 'path'>): string {
  return path ?? (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
}

function endpointOf(target: Target): ConnectionOptions {
  const { host, port, path, protocols, family, localAddress, lookup } = target
  // An IP address is not allowed as a server name (RFC 6066 §3).
  const servername = target.servername ?? (isIP(host) === 0 ? host : '')
  return {
    ...(path === undefined ? { host, port } : { path }),
    ...(servername !== '' && { servername }),
    ...(protocols !== undefined && { ALPNProtocols: [...protocols] }),
    ...(family !== undefined && { family }),
    ...(localAddress !== undefined && { localAddress }),
    ...(lookup !== undefined && { lookup }),
  }
}

function unreachable(server: string, found: string, reason: string, cause?: unknown): CallError {
  return new CallError('server_unreachable', `${server} cannot be reached: ${found}`, { reason, server, cause })
}

// Explains what Node found before we could verify the server.
function explain(cause: Error, server: string, { authorizationError }: TLSSocket): CallError {
  const code: unknown = Reflect.get(cause, 'code')
  const reason = typeof code === 'string' ? code : 'ERR'
  // Node returns `null` here as well as undefined, and a string where its types say Error.
  if (!authorizationError) return unreachable(server, remedies.get(reason) ?? messageOf(cause), reason, cause)
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const message = `${server} is trusted, but is not the host that was called: ${cause.message}`
    return new CallError('server_unexpected', message, { reason, server, cause })
  }
  return new CallError('server_untrusted', `${server} is not trusted: ${messageOf(cause)}`, { reason, server, cause })
}

// OpenSSL's messages do not say what to do.
const remedies: ReadonlyMap<string, string> = new Map([
  [
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    "the server does not support TLS 1.3; update it, or allow TLS 1.2 with tls: { minVersion: 'TLSv1.2' }",
  ],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'the server did not answer with TLS; is it an HTTP port?'],
  [
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    'the server supports none of the offered protocols; for a server that speaks only HTTP/2, set allowH2: true on the fetch or dispatcher',
  ],
])

// If several addresses were tried, the message of the aggregate is empty.
function messageOf(cause: Error): string {
  if (!(cause instanceof AggregateError)) return cause.message.trim()
  return cause.errors.map((error: unknown) => (error instanceof Error ? error.message : String(error))).join(', ')
}
