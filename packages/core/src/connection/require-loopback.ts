import type { Server } from 'node:net'
import { ConfigurationError } from '@countersign/spiffe'

/**
 * Closes a server, with an error event, if it listens on anything but a loopback address. `because` says what makes the
 * server unsafe for a network.
 */
export function requireLoopback(server: Server, because: string): void {
  if (server.listening) refuseOtherAddresses(server, because)
  server.prependListener('listening', () => refuseOtherAddresses(server, because))
}

function refuseOtherAddresses(server: Server, because: string): void {
  const address = server.address()
  const host = typeof address === 'string' ? address : address?.address
  // An earlier listener has already closed the server.
  if (address === null) return
  if (host === '::1' || host?.startsWith('127.') === true || host?.startsWith('::ffff:127.') === true) return
  // A framework's own 'listening' listener still reads the address. No connection is accepted before the next tick.
  process.nextTick(() => server.close())
  const found = `found the address ${host} with ${because}, expected 127.0.0.1 or ::1`
  server.emit('error', new ConfigurationError('server_unsuitable', found, { value: host }))
}
