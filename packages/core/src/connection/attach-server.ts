import { EventEmitter } from 'node:events'
import { Server as TlsServer, TLSSocket } from 'node:tls'
import { ConfigurationError } from '@countersign/spiffe'
import type { TrustState } from './material-gate.ts'
import { refusedListeners } from './check-server.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { rememberAddress } from './describe-handshake.ts'
import { acceptUnverifiedPeers, ignoreClusterTicketKeys } from './node-internals.ts'
import type { OpensslVerdict } from './openssl-verdict.ts'
import type { PeerConnections } from './peer-connections.ts'
import type { ServedTlsOptions } from './tls-options.ts'
import { refuseUnknownProtocol } from './unknown-protocol.ts'

/** What a server is tied to. */
export interface Attachment {
  readonly connections: PeerConnections
  /** Whether OpenSSL has to accept a peer before anyone sees its connection. */
  readonly openssl: OpensslVerdict
  /** The material that holds at `now`. */
  readonly current: (now: number) => TrustState | undefined
  /** Calls back with the complete option set now and after each change; gives the function that ends it. */
  readonly follow: (apply: (options: ServedTlsOptions) => void) => () => void
  /** Whether a request may reach the listeners of its event. */
  readonly admit: RequestGate
  /** Whether `admit` decides every request alone and leaves none to its route: then any number of listeners may see those that pass. */
  readonly decidesAlone: boolean
  /** Set when the source was made for tests: the server may then listen on loopback addresses only. */
  readonly isLoopbackOnly: boolean
}

/** Decides about a request that Node gives to the listeners of `event`; answers it if denied. */
export type RequestGate = (event: string, request: unknown, response: unknown) => boolean

/** Ties a checked server to the guard: from here on its certificate, its connections and its requests are the guard's. */
export function attachServer(server: TlsServer, attachment: Attachment): void {
  const { connections, current, follow, decidesAlone } = attachment
  const { registry, reports } = connections
  refuseListeners(server, decidesAlone)
  server.on('connection', rememberAddress)
  server.on('tlsClientError', (error, socket) => {
    // What breaks off after the end is no attack, and the source may be closed by then.
    if (!follower.isFollowing) return
    const now = Date.now()
    reports.reportHandshake(error, socket, current(now) !== undefined, now)
  })
  refuseUnknownProtocol(server, (socket) => {
    reports.reportProtocol(socket, registry.find({ httpVersionMajor: 1, socket })?.verdict, Date.now())
  })
  if (attachment.isLoopbackOnly) {
    if (server.listening) refuseOtherAddresses(server)
    server.prependListener('listening', () => refuseOtherAddresses(server))
  }
  const follower = followSource(server, follow)
  prepareRequestEvents(server)
  refuseChanges(server, decidesAlone)
  // Node would destroy the connection of a peer that OpenSSL does not accept before anyone can see its certificate, and
  // OpenSSL alone cannot say what is wrong with it. From here on our verifier asks for OpenSSL's verdict, and
  // `interceptEvents` hides the peers that it refuses.
  if (attachment.openssl === 'required') acceptUnverifiedPeers(server)
  interceptEvents(server, attachment)
}

// From now on, so that an update between the making of the server and here is not lost; and a closed server may listen
// again.
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

// First of all, so that a server which is refused is left as it was, and can be attached once it is mended.
function refuseListeners(server: TlsServer, decidesAlone: boolean): void {
  const streamListeners = server.listenerCount('stream')
  if (streamListeners > 1) refuse("a second 'stream' listener receives HTTP/2 requests that no guard saw; remove it")
  if (server.listenerCount('request') > 1 && !decidesAlone) {
    refuse(`a second 'request' listener ${receivesUndecided}`)
  }
  if (streamListeners === 1 && server.listenerCount('request') === 0) {
    refuse("a 'stream' listener receives HTTP/2 requests that no guard saw; listen for 'request'")
  }
}

// An HTTP/2 server adds its own 'stream' listener when the first 'request' listener is added. That has to happen before
// 'stream' listeners are refused, or a handler could not be added after attaching.
function prepareRequestEvents(server: TlsServer): void {
  if (server.listenerCount('request') > 0) return
  server.on('request', ignoreRequest)
  server.off('request', ignoreRequest)
}

function ignoreRequest(): void {}

const receivesUndecided =
  'receives requests that are left to their route, before the route decides; give createGuard rules without perRoute(), or remove the listener'

// What was checked at start stays true: every way to loosen it later throws.
function refuseChanges(server: TlsServer, decidesAlone: boolean): void {
  for (const name of ['setSecureContext', 'setTicketKeys', 'addContext', 'setOptions']) {
    Reflect.defineProperty(server, name, { value: () => refuse(`${name}() would replace what the guard set`) })
  }
  // It would call setTicketKeys. The guard's servers issue and accept no tickets, so the keys are left unused.
  ignoreClusterTicketKeys(server)
  server.on('newListener', (event: string | symbol) => {
    // Libraries for a graceful shutdown add one, some of them when the process ends.
    if (event === 'request' && server.listenerCount('request') > 0 && !decidesAlone) {
      refuse(`a further 'request' listener ${receivesUndecided}`)
    }
    if (refusedListeners.includes(String(event))) refuse(`a '${String(event)}' listener would resume sessions`)
    refuseStreamListener(event)
  })
}

// Where they are emitted, because a listener of ours would be one among others: whatever it did, the next one would run.
// And before any framework, whose hooks and middleware run in the order in which they were registered.
function interceptEvents(server: TlsServer, { connections, current, admit }: Attachment): void {
  const emit: unknown = Reflect.get(server, 'emit')
  if (!isEmit(emit)) refuse('it has no emit function')
  const { life, registry } = connections
  const guarded: Emit = (event, ...values) => {
    const [request, response] = values
    if (event === 'request') {
      life.begin(request, response)
      // Without the list: this one comes with every request.
      return admit(event, request, response) ? emit.call(server, event, request, response) : true
    }
    if (event === 'secureConnection' && !isAccepted(request, connections, current)) return true
    if (event === 'session' && isSession(request)) {
      registry.link(request)
      // Node's own listener is there already.
      request.on('newListener', refuseStreamListener)
    }
    if (typeof event === 'string' && otherRequests.has(event)) {
      life.begin(request, response)
      if (!admit(event, request, response)) return true
    }
    return emit.call(server, event, ...values)
  }
  Reflect.defineProperty(server, 'emit', { value: guarded, writable: true, configurable: true })
}

// Nobody sees a refused peer, as if Node had destroyed it in the handshake: no listener of the application's, and not the
// one with which Node begins to speak HTTP.
function isAccepted(socket: unknown, connections: PeerConnections, current: Attachment['current']): boolean {
  if (!(socket instanceof TLSSocket)) return false
  const now = Date.now()
  connections.acceptCaller(socket, current(now), now)
  return !socket.destroyed
}

type Session = Parameters<ConnectionRegistry['link']>[0] & EventEmitter

function isSession(value: unknown): value is Session {
  return value instanceof EventEmitter && 'socket' in value && 'close' in value
}

function refuseStreamListener(event: string | symbol): void {
  if (event === 'stream') refuse(`a 'stream' listener ${receivesUnguarded}`)
}

const receivesUnguarded = "would receive HTTP/2 requests that no guard saw; listen for 'request'"

type Emit = (this: unknown, event: string | symbol, ...values: readonly unknown[]) => boolean

function isEmit(value: unknown): value is Emit {
  return typeof value === 'function'
}

// Requests that Node gives to no 'request' listener.
const otherRequests: ReadonlySet<string> = new Set(['upgrade', 'connect', 'checkContinue', 'checkExpectation'])

function refuseOtherAddresses(server: TlsServer): void {
  const address = server.address()
  const host = typeof address === 'string' ? address : address?.address
  // Something before us closed it again.
  if (address === null) return
  if (host === '::1' || host?.startsWith('127.') === true || host?.startsWith('::ffff:127.') === true) return
  // A framework's own 'listening' listener still asks for the address; no connection is accepted before the next tick.
  process.nextTick(() => server.close())
  const found = `found the address ${host} and a source made for tests, expected 127.0.0.1 or ::1`
  server.emit('error', new ConfigurationError('server_unsuitable', found, { value: host }))
}

function refuse(finding: string): never {
  throw new ConfigurationError('server_unsuitable', `an attached server: ${finding}`)
}
