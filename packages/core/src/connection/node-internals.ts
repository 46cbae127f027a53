/**
 * Contains every undocumented member of Node that this package reads or replaces. ARCHITECTURE.md lists them, and
 * `test/connection/private-members.test.ts` fails when one of them changes.
 */
import { Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'

/** Returns a TLS option that a server was created with. Node keeps each as a property of that name. */
export function readServerOption(server: TlsServer, name: string): unknown {
  return Reflect.get(server, name)
}

/** Returns whether ticket keys were set. */
export function hasTicketKeys(server: TlsServer): boolean {
  return Reflect.get(server, 'ticketKeys') !== undefined || Reflect.get(server, '_ticketKeys') !== undefined
}

/** Returns whether `addContext()` was called. */
export function hasAddedContexts(server: TlsServer): boolean {
  const contexts: unknown = Reflect.get(server, '_contexts')
  return Array.isArray(contexts) && contexts.length > 0
}

/** Returns whether an `SNICallback` or a `pskCallback` was set. Node keeps both under symbols. */
export function hasCallback(server: TlsServer, description: 'snicallback' | 'pskcallback'): boolean {
  return Object.getOwnPropertySymbols(server).some(
    (symbol) => symbol.description === description && typeof Reflect.get(server, symbol) === 'function',
  )
}

/**
 * Keeps Node from destroying the connections of peers that OpenSSL refuses. Node reads this server property at each
 * handshake.
 */
export function acceptUnverifiedPeers(server: TlsServer): void {
  Reflect.set(server, 'rejectUnauthorized', false)
}

/** Ignores the ticket keys that a `node:cluster` worker receives from the primary when it listens. */
export function ignoreClusterTicketKeys(server: TlsServer): void {
  Reflect.defineProperty(server, '_setServerData', { value: () => undefined })
}

/** Returns the socket below TLS. */
export function findSocketBelow(socket: TLSSocket): Socket | undefined {
  const below: unknown = Reflect.get(socket, '_parent')
  return below instanceof Socket ? below : undefined
}
