import type { IncomingMessage } from 'node:http'
import { type Guard, type Rule, createGuard, isDenial, staticSource } from '@countersign/core'
import { type Running, serve } from '@countersign/testkit'
import { type Identities, path } from './workload.ts'

/** A request that has arrived over mTLS and is not answered, so that its connection stays open. */
export interface OpenRequest {
  readonly guard: Guard
  readonly request: IncomingMessage
  close(): Promise<void>
}

/** Starts a server with these rules, sends it a request as the caller, and holds that. */
export async function openRequest(identities: Identities, rules: readonly Rule[]): Promise<OpenRequest> {
  const guard = createGuard({ source: staticSource(identities.server), rules })
  const { running, request } = await receive(guard, identities)
  const verdict = guard.admit(request)
  if (isDenial(verdict)) throw new Error(`found a denial (${verdict.detail}), expected the caller to pass`)
  return { guard, request, close: () => running.close() }
}

async function receive(
  guard: Guard,
  { caller }: Identities,
): Promise<{ readonly running: Running; readonly request: IncomingMessage }> {
  let receiveRequest: (request: IncomingMessage) => void = () => undefined
  const received = new Promise<IncomingMessage>((resolve) => {
    receiveRequest = resolve
  })
  const running = await serve(guard, (request) => receiveRequest(request))
  // Never answered: it ends, with an error, when the server does.
  running
    .as(caller)
    .fetch(path)
    .catch(() => undefined)
  return { running, request: await received }
}
