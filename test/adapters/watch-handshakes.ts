import type { Server } from 'node:net'
import type { TLSSocket } from 'node:tls'

/**
 * Calls back with the socket of each peer whose handshake is complete, before the attached guard verifies it; listeners
 * of the server do not receive refused peers.
 */
export function watchHandshakes(server: Server, note: (socket: TLSSocket) => void): void {
  const guarded = server.emit.bind(server)
  server.emit = (event: string, ...values: readonly unknown[]): boolean => {
    const [socket] = values
    if (event === 'secureConnection' && isTlsSocket(socket)) note(socket)
    return guarded(event, ...values)
  }
}

function isTlsSocket(value: unknown): value is TLSSocket {
  return typeof value === 'object' && value !== null && 'authorized' in value
}
