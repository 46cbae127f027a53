import { EventEmitter } from 'node:events'
import { Server as HttpsServer } from 'node:https'
import { Server as TlsServer, TLSSocket } from 'node:tls'
import { ConfigurationError } from '@countersign/spiffe'
import type { TrustState } from './material-gate.ts'
import { refusedListeners } from './check-server.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { rememberAddress } from './describe-handshake.ts'
import { acceptUnverifiedPeers, ignoreClusterTicketKeys } from './node-internals.ts'
import type { OpensslVerdict } from './openssl-verdict.ts'
import { type Emit, emitLater, isEmit, type RequestGate } from './request-gate.ts'
import { requireLoopback } from './require-loopback.ts'
import type { PeerConnections } from './peer-connections.ts'
import type { ServedTlsOptions } from './tls-options.ts'
import { refuseUnknownProtocol } from './unknown-protocol.ts'

/** What a server is attached to. */
export interface Attachment {
  readonly connections: PeerConnections
  /** Whether OpenSSL has to accept a peer before any listener sees its connection. */
  readonly openssl: OpensslVerdict
  /** Returns the material that is valid at `now` (epoch milliseconds). */
  readonly latest: (now: number) => TrustState | undefined
  /** Calls back with the complete TLS options now and after each change. Returns a function that stops this. */
  readonly follow: (apply: (options: ServedTlsOptions) => void) => () => void
  /** Returns whether a request may reach the listeners of its event. */
  readonly admit: RequestGate
  /**
   * True if `admit` decides every request and leaves none to its route. Any number of listeners may then see the
   * allowed requests.
   */
  readonly decidesAlone: boolean
  /** True if the source was made for tests. The server may then listen on loopback addresses only. */
  readonly isLoopbackOnly: boolean
}

/** Attaches a checked server to the guard, which then controls its certificate, its connections and its requests. */
export function attachServer(server: TlsServer, attachment: Attachment): void {
  const { connections, latest, follow, decidesAlone } = attachment
  const { registry, reports } = connections
  refuseListeners(server, decidesAlone)
  server.on('connection', rememberAddress)
  server.on('tlsClientError', (error, socket) => {
    // A handshake that breaks off after the server has closed is not an attack, and the source may be closed by then.
    if (!follower.isFollowing) return
    const now = Date.now()
    reports.reportHandshake(error, socket, latest(now) !== undefined, now)
  })
  refuseUnknownProtocol(server, (socket) => {
    reports.reportProtocol(socket, registry.find({ httpVersionMajor: 1, socket })?.verdict, Date.now())
  })
  if (attachment.isLoopbackOnly) {
    requireLoopback(server, 'a source made for tests')
  }
  const follower = followSource(server, follow)
  prepareRequestEvents(server)
  refuseChanges(server, decidesAlone)
  // Node would destroy the connection of a peer that OpenSSL refuses before its certificate can be read, and OpenSSL
  // alone cannot say what is wrong with it. Instead, our verifier checks OpenSSL's verdict, and `interceptEvents` hides
  // the peers that it refuses.
  if (attachment.openssl === 'required') acceptUnverifiedPeers(server)
  interceptEvents(server, attachment)
}

// Starts now, so that an update between creating and attaching the server is not lost. Restarts on 'listening', because
// a closed server may listen again.
function followSource(server: TlsServer, follow: Attachment['follow']): { readonly isFollowing: boolean } {
  const start = (): (() => void) => follow((options) => TlsServer.prototype.setSecureContext.call(server, options))
  let stop: (() => void) | undefined = start()
  server.on('close', () => {
    stop?.()
    stop = undefined
  })
  server.prependListener('listening', () => {
    stop ??= start()
  })
  return {
    get isFollowing() {
      return stop !== undefined
    },
  }
}

// Runs first, so that a refused server is left unchanged and can be attached once it is fixed.
function refuseListeners(server: TlsServer, decidesAlone: boolean): void {
  const streamListeners = server.listenerCount('stream')
  if (streamListeners > 1)
    refuse("a second 'stream' listener receives HTTP/2 requests that bypass the guard; remove it")
  if (server.listenerCount('request') > 1 && !decidesAlone) {
    refuse(`a second 'request' listener ${receivesUndecided}`)
  }
  if (streamListeners === 1 && server.listenerCount('request') === 0) {
    refuse("a 'stream' listener receives HTTP/2 requests that bypass the guard; listen for 'request'")
  }
}

// An HTTP/2 server adds its own 'stream' listener with the first 'request' listener. Trigger that before 'stream'
// listeners are refused, or no handler could be added after attaching.
function prepareRequestEvents(server: TlsServer): void {
  if (server.listenerCount('request') > 0) return
  server.on('request', ignoreRequest)
  server.off('request', ignoreRequest)
}

function ignoreRequest(): void {}

const receivesUndecided =
  'receives requests that perRoute() leaves to their route before the route decides; use rules without perRoute(), or remove the listener'

// Protects the settings that were checked at startup: every call that would weaken them throws.
function refuseChanges(server: TlsServer, decidesAlone: boolean): void {
  for (const name of ['setSecureContext', 'setTicketKeys', 'addContext', 'setOptions']) {
    Reflect.defineProperty(server, name, { value: () => refuse(`${name}() would replace what the guard has set`) })
  }
  // It would call setTicketKeys. The guard's servers issue and accept no tickets, so the keys are not needed.
  ignoreClusterTicketKeys(server)
  server.on('newListener', (event: string | symbol) => {
    // Libraries for graceful shutdown add a 'request' listener, some of them only when the process ends.
    if (event === 'request' && server.listenerCount('request') > 0 && !decidesAlone) {
      refuse(`a further 'request' listener ${receivesUndecided}`)
    }
    if (refusedListeners.includes(String(event))) refuse(`a '${String(event)}' listener would resume sessions`)
    refuseStreamListener(event)
  })
}

// Intercepts `emit` rather than adding a listener, because later listeners run whatever an earlier one decides. This
// also runs before any framework, whose hooks and middleware run in registration order.
function interceptEvents(server: TlsServer, { connections, latest, admit }: Attachment): void {
  const emit: unknown = Reflect.get(server, 'emit')
  if (!isEmit(emit)) refuse('it has no emit function')
  const { expiry, registry } = connections
  const parts = { connections, latest, isHttp: speaksHttp(server) }
  const guarded: Emit = (event, ...values) => {
    const [request, response] = values
    if (event === 'request') {
      expiry.begin(request, response)
      const isAllowed = admit(event, request, response)
      // Does not spread `values`, because this event occurs for every request.
      if (isAllowed === true) return emit.call(server, event, request, response)
      if (isAllowed !== false) emitLater(isAllowed, () => emit.call(server, event, request, response))
      return true
    }
    if (event === 'secureConnection' && !isAccepted(request, parts)) return true
    if (event === 'session' && isSession(request)) {
      registry.link(request)
      // Node's own listener has already been added.
      request.on('newListener', refuseStreamListener)
    }
    if (typeof event === 'string' && otherRequests.has(event)) {
      expiry.begin(request, response)
      const isAllowed = admit(event, request, response)
      if (isAllowed === false) return true
      if (isAllowed !== true) {
        emitLater(isAllowed, () => emit.call(server, event, ...values))
        return true
      }
    }
    return emit.call(server, event, ...values)
  }
  Reflect.defineProperty(server, 'emit', { value: guarded, writable: true, configurable: true })
}

// No listener receives a refused peer, as if Node had destroyed its connection during the handshake. That includes the
// listener with which Node starts to parse HTTP.
function isAccepted(socket: unknown, { connections, latest, isHttp }: AcceptParts): boolean {
  if (!(socket instanceof TLSSocket)) return false
  const now = Date.now()
  connections.acceptCaller(socket, latest(now), now, isHttp)
  if (!isHttp) connections.expiry.markWithoutHttp({ httpVersionMajor: 1, socket })
  return !socket.destroyed
}

interface AcceptParts extends Pick<Attachment, 'connections' | 'latest'> {
  readonly isHttp: boolean
}

// Every HTTP/2 server has a 'stream' listener, see `prepareRequestEvents`.
function speaksHttp(server: TlsServer): boolean {
  return server instanceof HttpsServer || server.listenerCount('stream') > 0
}

type Session = Parameters<ConnectionRegistry['link']>[0] & EventEmitter

function isSession(value: unknown): value is Session {
  return value instanceof EventEmitter && 'socket' in value && 'close' in value
}

function refuseStreamListener(event: string | symbol): void {
  if (event === 'stream') refuse(`a 'stream' listener ${receivesUnguarded}`)
}

const receivesUnguarded = "would receive HTTP/2 requests that bypass the guard; listen for 'request'"

// Requests that Node does not emit as 'request'.
const otherRequests: ReadonlySet<string> = new Set(['upgrade', 'connect', 'checkContinue', 'checkExpectation'])

function refuse(finding: string): never {
  throw new ConfigurationError('server_unsuitable', `an attached server: ${finding}`)
}
