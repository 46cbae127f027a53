import type { IncomingMessage } from 'node:http'
import { createGuard, type Guard, type Rule, staticSource } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { serve } from '@countersign/testkit'
import { callerId, type Identities, path } from '../workload.ts'

/** A request that has arrived over mTLS and has no response yet, so that its connection stays open. */
export interface OpenRequest {
  readonly guard: Guard
  readonly request: IncomingMessage
  readonly close: () => Promise<void>
}

/**
 * Starts a server with these rules, sends it a request as the caller, and holds the request. Without rules the route
 * decides.
 */
export async function openRequest(identities: Identities, rules: readonly Rule[] | undefined): Promise<OpenRequest> {
  const source = staticSource(identities.server)
  const guard = createGuard({ source, log: () => undefined, ...(rules !== undefined && { rules }) })
  let receive: (request: IncomingMessage) => void = ignore
  const received = new Promise<IncomingMessage>((resolve) => {
    receive = resolve
  })
  const running = await serve(guard, (request) => receive(request))
  // Never answered: it fails when the server closes.
  running.as(identities.caller).fetch(path).catch(ignore)
  const request = await received
  const routing = rules === undefined ? { routeAllow: forAdapter(guard).compileRoute([callerId], 'the route') } : {}
  const verdict = forAdapter(guard).admit(request, routing)
  if (isDenial(verdict)) throw new Error(`found a denial (${verdict.detail}), expected the caller to be allowed`)
  return { guard, request, close: () => running.close() }
}

function ignore(): void {}
