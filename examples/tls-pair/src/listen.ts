import { once } from 'node:events'
import type { Server } from 'node:tls'

/** Listens on loopback and returns the port; 0 selects a free one. */
export async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`found the address ${address}, expected a port`)
  return address.port
}

/**
 * Closes a server after its last connection has closed. It has to happen before the source closes, which would cut off
 * open connections.
 */
export async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
