import { once } from 'node:events'
import type { TestContext } from 'node:test'
import {
  type CallerSocket,
  connectTls,
  type ConnectTlsOptions,
  createTlsServer,
  type ServerSocket,
  type TlsServerOptions,
} from '@countersign/client'
import type { CountersignEvent, X509Source } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'

export const billing = 'spiffe://saas.example/ns/production/sa/billing'
export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

export const saas: Authority = await createAuthority('saas.example')

/** A running server. */
export interface Started {
  readonly port: number
  readonly server: { readonly callers: readonly CallerSocket[]; readonly events: readonly CountersignEvent[] }
}

/** A server that responds to any caller; its events are recorded. */
export async function start(context: TestContext, source: X509Source, options: TlsServerOptions): Promise<Started> {
  const callers: CallerSocket[] = []
  const events: CountersignEvent[] = []
  const server = createTlsServer(source, { log: (event) => events.push(event), ...options }, (socket) => {
    callers.push(socket)
    socket.on('data', (chunk) => socket.end(`${socket.principal.name} says ${String(chunk)}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    for (const caller of callers) caller.destroy()
    server.close()
  })
  return { port: portOf(server), server: { callers, events } }
}

/** Connects to `billing` on loopback by default. */
export async function connectTo(
  context: TestContext,
  source: X509Source,
  options: Partial<ConnectTlsOptions> & { readonly port: number },
): Promise<ServerSocket> {
  const socket = await connectTls(source, { servers: [billing], host: '127.0.0.1', ...options })
  context.after(() => socket.destroy())
  return socket
}

/** Everything that arrives, also if the connection breaks. */
export async function received(socket: AsyncIterable<unknown>): Promise<string> {
  let all = ''
  try {
    for await (const chunk of socket) all += String(chunk)
  } catch {
    // It was aborted.
  }
  return all
}

/** The port of a listening server. */
export function portOf(server: { address(): unknown }): number {
  const address: unknown = server.address()
  return typeof address === 'object' && address !== null ? Number(Reflect.get(address, 'port')) : 0
}
