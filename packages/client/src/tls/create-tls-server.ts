import { createServer, type Server, type TLSSocket } from 'node:tls'
import {
  ConfigurationError,
  createGuard,
  type Guard,
  type GuardOptions,
  type Principal,
  type Rule,
} from '@countersign/core'
import { isCallable, isDenial, parseOptions, parseRequirement, refuseValue } from '@countersign/core/adapter'

/** Options of `createTlsServer`: who may connect, and the guard options that concern connections. */
export interface TlsServerOptions extends Pick<GuardOptions, (typeof guardOptionNames)[number]> {
  /** Who may connect: patterns of SPIFFE IDs, or a requirement such as `hasAuthority('SERVICE_core-api')`. */
  readonly callers: Rule['allow']
}

const guardOptionNames = [
  'authorities',
  'identity',
  'log',
  'maxCertificateLifetime',
  'namespaces',
  'tls',
  'trustDomains',
] as const

/** A connection from a verified caller. */
export type CallerSocket = TLSSocket & {
  /** The authenticated caller. The connection closes when the caller is no longer verified. */
  readonly principal: Principal
}

/**
 * Creates a server for protocols other than HTTP. `onPeer` is called for each connection whose caller is verified and
 * among `callers`. Any other connection is closed and reported before a byte is read or written. A connection closes
 * when its caller's certificate expires or its authority is withdrawn. Our own certificate follows the source.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {SourceError} if the source has no valid certificate
 * @example
 * const server = createTlsServer(source, { callers: ['spiffe://saas.example/ns/production/sa/billing'] }, (socket) => {
 *   socket.end(`hello ${socket.principal.name}\n`)
 * })
 * server.listen(7000)
 */
export function createTlsServer(
  source: GuardOptions['source'],
  options: TlsServerOptions,
  onPeer: (socket: CallerSocket) => void,
): Server {
  if (!isCallable(onPeer)) refuseValue('createTlsServer: onPeer', onPeer, 'a function that takes a socket')
  parseOptions(options, ['callers', ...guardOptionNames], 'createTlsServer')
  const { callers, ...guardOptions } = options
  parseRequirement(callers, 'createTlsServer: callers')
  const guard = openGuard({ ...guardOptions, source, rules: [{ path: '/**', allow: callers }] })
  const server = createServer(guard.tlsOptions(), (socket) => {
    // A peer that breaks off must not end the process of a server that does not listen for errors.
    socket.on('error', () => undefined)
    const principal = guard.admitConnection(socket)
    if (isDenial(principal)) socket.destroy()
    else onPeer(Object.assign(socket, { principal }))
  })
  guard.attach(server)
  return server
}

// The user of `createTlsServer` did not write rules or call createGuard(), so messages must not mention them.
function openGuard(options: GuardOptions): Guard {
  try {
    return createGuard(options)
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    const message = cause.message
      .replace(/^createGuard:/, 'createTlsServer:')
      .replace(/^rules\[0\]\.allow/, 'createTlsServer: callers')
    throw new ConfigurationError(cause.code, message, { value: cause.value, cause })
  }
}
