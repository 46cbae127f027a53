import { once } from 'node:events'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, type CountersignEvent, createGuard, type Guard } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import type { NoticingSource } from '@countersign/spiffe'
import { type Authority, type Running, serve } from '@countersign/testkit'
import { coreApi } from './agent-service.ts'
import { admitNow } from '../support/admit-now.ts'

/** A guard on an agent's source, a server behind it, and everything that it reported. */
export interface Served {
  readonly guard: Guard
  readonly running: Running
  readonly events: readonly CountersignEvent[]
}

/** Serves with this source: responds to every allowed caller with its name. */
export async function serveSource(
  context: TestContext,
  source: NoticingSource,
  trustDomains: readonly string[] = ['saas.example'],
): Promise<Served> {
  const events: CountersignEvent[] = []
  const guard = createGuard({
    source,
    trustDomains,
    rules: [{ path: '/**', allow: authenticated() }],
    log: (event) => void events.push(event),
  })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.writeHead(isDenial(verdict) ? 403 : 200).end(isDenial(verdict) ? '' : verdict.name)
  })
  context.after(() => running.close())
  return { guard, running, events }
}

/** The response to a new caller with an SVID of this authority; undefined if it is refused. */
export async function callAs(
  { running }: Served,
  authority: Authority,
  spiffeId: string = coreApi,
): Promise<string | undefined> {
  await using peer = running.as(await authority.issue(spiffeId))
  try {
    const response = await peer.fetch('/')
    return response.status === 200 ? await response.text() : undefined
  } catch {
    return undefined
  }
}

/** An open connection of a caller with an SVID of this authority. */
export async function connectAs(
  { running }: Served,
  authority: Authority,
  spiffeId: string = coreApi,
): Promise<TLSSocket> {
  const socket = await running.as(await authority.issue(spiffeId)).connect()
  socket.resume()
  return socket
}

/** Waits until the other end has closed it. */
export async function waitForEnd(socket: TLSSocket): Promise<void> {
  if (!socket.closed) await once(socket, 'close')
}
