import type { ServerResponse } from 'node:http'
import type { Denial } from '@countersign/core'
import type { AdapterGuard, GuardedRequest } from '@countersign/core/adapter'

/** Answers a denied request. Sends nothing if its connection was closed without an answer. */
export function sendDenial(
  guard: AdapterGuard,
  denial: Denial,
  request: GuardedRequest,
  response: ServerResponse,
): void {
  const answer = guard.answer(denial, request)
  if (answer === undefined) return
  if (response.headersSent) {
    // Something before the guard started a response. Abort it, so that it cannot look complete.
    response.destroy()
    return
  }
  response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
}
