import { Server as HttpServer } from 'node:http'
import { ConfigurationError } from '@countersign/spiffe'
import type { PeerConnections } from './peer-connections.ts'
import { emitLater, isEmit, type Emit, type RequestGate } from './request-gate.ts'
import { requireLoopback } from './require-loopback.ts'

/** What a server without TLS is attached to. */
export interface PlaintextAttachment {
  readonly connections: PeerConnections
  /** Follows the source, whose updates may end running exchanges. Returns a function that stops this. */
  readonly follow: () => () => void
  /** Returns whether a request may reach the listeners of its event. */
  readonly admit: RequestGate
}

/**
 * Attaches an HTTP server without TLS, for a proxy in the same pod or on the same machine. It may listen on loopback
 * addresses only, because every peer that can connect may claim to be any caller.
 */
export function attachPlaintextServer(server: HttpServer, { connections, admit, follow }: PlaintextAttachment): void {
  requireLoopback(server, 'a server without TLS, whose peers are not authenticated')
  followSource(server, follow)
  server.prependListener('connection', (socket: object) => connections.registry.addPlaintext(socket))
  const emit: unknown = Reflect.get(server, 'emit')
  if (!isEmit(emit)) throw new ConfigurationError('server_unsuitable', 'an attached server: it has no emit function')
  const guarded: Emit = (event, ...values) => {
    if (typeof event !== 'string' || !requests.has(event)) return emit.call(server, event, ...values)
    const isAllowed = admit(event, values[0], values[1])
    if (isAllowed === true) return emit.call(server, event, ...values)
    if (isAllowed !== false) emitLater(isAllowed, () => emit.call(server, event, ...values))
    return true
  }
  Reflect.defineProperty(server, 'emit', { value: guarded, writable: true, configurable: true })
}

function followSource(server: HttpServer, follow: () => () => void): void {
  let stop: (() => void) | undefined = server.listening ? follow() : undefined
  server.prependListener('listening', () => {
    stop ??= follow()
  })
  server.on('close', () => {
    stop?.()
    stop = undefined
  })
}

/** Returns whether a value is an HTTP server without TLS. */
export function isPlaintextServer(server: unknown): server is HttpServer {
  return server instanceof HttpServer
}

const requests: ReadonlySet<string> = new Set(['request', 'upgrade', 'connect', 'checkContinue', 'checkExpectation'])
