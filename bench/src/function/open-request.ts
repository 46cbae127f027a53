import type { IncomingMessage } from 'node:http'
import { createGuard, type Guard, type Policy, type Rule, staticSource } from '@countersign/core'
import { forAdapter, type GuardedRequest, isDenial } from '@countersign/core/adapter'
import { serve } from '@countersign/testkit'
import { type Identities, path } from '../workload.ts'

/** A request that has arrived over mTLS and has no response yet, so that its connection stays open. */
export interface OpenRequest {
  readonly guard: Guard
  /** A copy, on which the server's decision is not stored, so that each call decides. */
  readonly request: GuardedRequest
  readonly close: () => Promise<void>
}

/** Starts a server with these rules or policies, sends it a request as the caller, and holds the request. */
export async function openRequest(
  identities: Identities,
  rules: readonly Rule[] | undefined,
  policies?: readonly Policy[],
): Promise<OpenRequest> {
  const guard = createGuard({
    source: staticSource(identities.server),
    log: () => undefined,
    ...(rules !== undefined && { rules }),
    ...(policies !== undefined && { policies: { policies } }),
  })
  let receive: ((request: IncomingMessage) => void) | undefined
  let fail: ((error: unknown) => void) | undefined
  const received = new Promise<IncomingMessage>((resolve, reject) => {
    receive = resolve
    fail = reject
  })
  const running = await serve(guard, (request) => receive?.(request))
  // Never answered by the handler: it fails when the server closes. A response means that the request was denied.
  running
    .as(identities.caller)
    .fetch(path)
    .then(
      ({ status }) => fail?.(new Error(`found status ${status}, expected the request to reach the handler`)),
      (error: unknown) => fail?.(error),
    )
  const { method, url, httpVersionMajor, socket, headers, rawHeaders } = await received
  const request = { method, url, httpVersionMajor, socket, headers, rawHeaders }
  const verdict = forAdapter(guard).admit(request)
  if (verdict instanceof Promise || verdict === null) throw new Error('expected an authenticated caller')
  if (isDenial(verdict)) throw new Error(`found a denial (${verdict.detail}), expected the caller to be allowed`)
  return { guard, request, close: () => running.close() }
}
