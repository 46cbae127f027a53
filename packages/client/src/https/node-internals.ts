/**
 * Contains every undocumented member of Node that this package reads or calls. ARCHITECTURE.md lists them, and
 * `test/client/private-members.test.ts` fails when one of them changes.
 */
import { ClientRequest, IncomingMessage } from 'node:http'
import { Agent } from 'node:https'
import type { Duplex } from 'node:stream'

/** Calls a method of Node's agent that its types omit. */
export function callAgent(
  method: 'addRequest' | 'createSocket' | 'removeSocket',
  agent: Agent,
  given: readonly unknown[],
): void {
  const own: unknown = Reflect.get(Agent.prototype, method)
  if (typeof own === 'function') Reflect.apply(own, agent, given)
}

/** Adds to the number of connections that an agent counts towards `maxTotalSockets`. */
export function addToTotalSockets(agent: Agent, count: number): void {
  const total: unknown = Reflect.get(agent, 'totalSocketCount')
  if (typeof total === 'number') Reflect.set(agent, 'totalSocketCount', total + count)
}

/** Fails a request that has no connection yet. Node's types omit that the socket may be missing. */
export function failRequest(request: ClientRequest, error: unknown): void {
  const onSocket: unknown = Reflect.get(request, 'onSocket')
  if (typeof onSocket === 'function') Reflect.apply(onSocket, request, [null, error])
}

/** Returns the response that is being received on a socket. */
export function findResponse(socket: Duplex): IncomingMessage | undefined {
  const request: unknown = Reflect.get(socket, '_httpMessage')
  const response: unknown = request instanceof ClientRequest ? Reflect.get(request, 'res') : undefined
  return response instanceof IncomingMessage ? response : undefined
}
