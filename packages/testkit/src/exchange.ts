import type { OutgoingHttpHeaders } from 'node:http'

/** One way to carry requests over one connection. */
export interface Exchange {
  send(target: string, init: FetchInit): Promise<Response>
  close(): void
}

/** What to send. */
export interface FetchInit {
  /** Default GET. */
  readonly method?: string
  /** Sent as they are, also `host` and the names that a browser forbids. */
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
}

/** Builds the response that `fetch` gives; a status that allows no body gets none (RFC 9110 §6.4.1). */
export function createResponse(status: number, headers: Headers, body: Buffer): Response {
  const isBodiless = status === 204 || status === 205 || status === 304
  return new Response(isBodiless ? null : body, { status, headers })
}
