import type { OutgoingHttpHeaders } from 'node:http'
import type { Denial } from '@countersign/core'
import type { AdapterGuard, GuardedRequest } from '@countersign/core/adapter'

/** What of a Fastify reply is needed to deny, whatever server it comes from. */
export interface DenyingReply {
  code(status: number): unknown
  headers(headers: OutgoingHttpHeaders): unknown
  send(body: Buffer): unknown
  hijack(): unknown
}

/** Answers a denied request. */
export function sendDenial(guard: AdapterGuard, denial: Denial, raw: GuardedRequest, reply: DenyingReply): void {
  const answer = guard.answer(denial, raw)
  // The connection was ended without a word: there is nothing left to send, and no handler may run.
  if (answer === undefined) reply.hijack()
  else send(reply, answer.status, answer.headers, answer.body)
}

/** Answers a request that no guard has seen. Without one there is no log and no format, and the caller learns no more. */
export function sendUnavailable(reply: DenyingReply): void {
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  const code = 'authorization_unavailable'
  const body = { type: 'about:blank', title: 'Service Unavailable', status: 503, code }
  send(reply, body.status, headers, JSON.stringify(body))
}

// As bytes: to a text of JSON Fastify adds a charset, which neither the format's author nor RFC 9457 asked for.
function send(reply: DenyingReply, status: number, headers: OutgoingHttpHeaders, body: string): void {
  reply.code(status)
  reply.headers(headers)
  reply.send(Buffer.from(body))
}
