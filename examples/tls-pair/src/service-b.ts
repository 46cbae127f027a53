import type { Server } from 'node:tls'
import { createTlsServer } from '@countersign/client'
import type { CountersignEvent, X509Source } from '@countersign/core'
import { print } from './print.ts'
import { neighbourOf } from './workloads.ts'

/** The greeting of service-b. */
export const greeting = 'hello from service-b'

/** Creates service-b: it greets service-a, and closes the connection of any other caller before sending a byte. */
export function createServiceB(source: X509Source, log: (event: CountersignEvent) => void): Server {
  return createTlsServer(source, { callers: [neighbourOf(source, 'service-a')], log }, (socket) => {
    print('service-b', `peer ${socket.principal.name}`, socket)
    socket.end(`${greeting}\n`)
  })
}
