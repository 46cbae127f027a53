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

/**
 * Answers a request that no guard has decided. Without a guard, there is no log and no `formatDenial`, and the caller
 * receives no further details.
 */
export function sendUnavailable(response: ServerResponse): void {
  response.writeHead(503, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  response.end(
    JSON.stringify({
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      code: 'authorization_unavailable',
    }),
  )
}
