import type { ServerResponse } from 'node:http'
import type { Denial } from '@countersign/core'
import type { AdapterGuard, GuardedRequest } from '@countersign/core/adapter'

/** Answers a denied request, or leaves it to the end of its connection where that was ended without a word. */
export function sendDenial(
  guard: AdapterGuard,
  denial: Denial,
  request: GuardedRequest,
  response: ServerResponse,
): void {
  const answer = guard.answer(denial, request)
  if (answer === undefined) return
  if (response.headersSent) {
    // Something before the guard began to answer: what it began must not be completed.
    response.destroy()
    return
  }
  response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
}
