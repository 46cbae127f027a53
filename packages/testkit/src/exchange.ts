import type { OutgoingHttpHeaders } from 'node:http'

/** Sends requests over one connection. */
export interface Exchange {
  send(target: string, init: FetchInit): Promise<Response>
  close(): void
}

/** The options of a request. */
export interface FetchInit {
  /** Default: GET. */
  readonly method?: string
  /** Sent unchanged, including `host` and the names that browsers forbid. */
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
}

/** Creates the `Response` for `fetch`. A status that does not allow a body gets none (RFC 9110 §6.4.1). */
export function createResponse(status: number, headers: Headers, body: Buffer): Response {
  const isBodiless = status === 204 || status === 205 || status === 304
  return new Response(isBodiless ? null : body, { status, headers })
}
