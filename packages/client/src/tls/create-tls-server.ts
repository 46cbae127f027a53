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

/** What `createTlsServer` takes: who may connect, and of a guard's options those that concern connections. */
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

/** A connection of a verified caller. */
export type CallerSocket = TLSSocket & {
  /** Who is calling. The connection ends when this does not hold any more. */
  readonly principal: Principal
}

/**
 * Creates a server for protocols without HTTP. `onPeer` is called for each connection whose caller is verified and among
 * `callers`; every other is ended before a byte is read or written, and reported. A connection ends when its caller's
 * certificate expires or its authority is withdrawn. Our own certificate follows the source.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid certificate
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
    // A peer that breaks off must not end the process of a server that does not listen for it.
    socket.on('error', () => undefined)
    // Refused by the guard, and reported: a denial would be the same again.
    if (socket.destroyed) return
    const principal = guard.admitConnection(socket)
    if (isDenial(principal)) socket.destroy()
    else onPeer(Object.assign(socket, { principal }))
  })
  guard.attach(server)
  return server
}

// Of rules and of createGuard() nothing was said to whoever reads the message.
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
