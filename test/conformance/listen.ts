import type { Server } from 'node:net'
import { once } from 'node:events'

/** Listens on a free port of 127.0.0.1 and returns it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address !== null && typeof address === 'object') return address.port
  throw new Error(`found a server at ${address}, expected one that listens on a port`)
}
