import { once } from 'node:events'
import type { Server } from 'node:net'
import type { CountersignEvent } from '@countersign/core'

/** A running service. */
export interface Listening extends AsyncDisposable {
  readonly port: number
}

/** Receives the events of a service. */
export type Log = (event: CountersignEvent) => void

/** Listens on a free loopback port and returns it. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`found the address ${address}, expected a port`)
  return address.port
}
