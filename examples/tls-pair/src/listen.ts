import { once } from 'node:events'
import type { Server } from 'node:tls'

/** Listens on loopback and gives the port; 0 is a free one. */
export async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`found the address ${address}, expected a port`)
  return address.port
}

/** Ends a server once its last connection has ended: before its source, which would cut what is left. */
export async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
