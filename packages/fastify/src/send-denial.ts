import type { OutgoingHttpHeaders } from 'node:http'
import type { Denial } from '@countersign/core'
import type { AdapterGuard, GuardedRequest } from '@countersign/core/adapter'

/** What is needed of a Fastify reply to deny a request, whatever the server type. */
export interface DenyingReply {
  /** Sets the status. */
  code(status: number): unknown
  /** Adds headers. */
  headers(headers: OutgoingHttpHeaders): unknown
  /** Sends the body, unchanged. */
  send(body: Buffer): unknown
  /** Keeps Fastify from answering and from running the handler. */
  hijack(): unknown
}

/** Answers a denied request. */
export function sendDenial(guard: AdapterGuard, denial: Denial, raw: GuardedRequest, reply: DenyingReply): void {
  const answer = guard.answer(denial, raw)
  // The connection was closed without an answer: there is nothing left to send, and no handler may run.
  if (answer === undefined) reply.hijack()
  else send(reply, answer.status, answer.headers, answer.body)
}

/**
 * Answers a request that no guard has decided. Without a guard, there is no log and no `formatDenial`, and the caller
 * receives no further details.
 */
export function sendUnavailable(reply: DenyingReply): void {
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  const code = 'authorization_unavailable'
  const body = { type: 'about:blank', title: 'Service Unavailable', status: 503, code }
  send(reply, body.status, headers, JSON.stringify(body))
}

// Sent as bytes, because Fastify adds a charset to JSON text, which neither `formatDenial` nor RFC 9457 requires.
function send(reply: DenyingReply, status: number, headers: OutgoingHttpHeaders, body: string): void {
  reply.code(status)
  reply.headers(headers)
  reply.send(Buffer.from(body))
}
