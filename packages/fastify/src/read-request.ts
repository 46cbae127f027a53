import type { GuardedRequest } from '@countersign/core/adapter'
import { readOriginalUrl } from './fastify-internals.ts'

/**
 * Returns the request as the guard reads it. `@fastify/express` replaces the target with the result of `decodeURI`, a
 * form that was never sent. In that case the received target is used.
 */
export function readReceived(raw: GuardedRequest): GuardedRequest {
  const { url } = raw
  const originalUrl = readOriginalUrl(raw)
  if (originalUrl === undefined || originalUrl === url || decode(originalUrl) !== url) return raw
  return new ReceivedRequest(raw, originalUrl)
}

/**
 * Returns whether a route parameter is empty. Only the last one can be, because an empty segment elsewhere in a path is
 * refused.
 */
export function isLastParameterEmpty(params: unknown): boolean {
  if (typeof params !== 'object' || params === null) return false
  return Object.entries(params).some(([name, value]) => value === '' && name !== '*')
}

function decode(target: string): string | undefined {
  try {
    return decodeURI(target)
  } catch {
    return undefined
  }
}

// Only for HTTP/1, because Express cannot serve HTTP/2 requests.
class ReceivedRequest implements GuardedRequest {
  readonly url: string
  readonly #raw: GuardedRequest

  constructor(raw: GuardedRequest, url: string) {
    this.url = url
    this.#raw = raw
  }

  get received(): object {
    return this.#raw
  }

  get method(): string | undefined {
    return this.#raw.method
  }

  get headers(): GuardedRequest['headers'] {
    return this.#raw.headers
  }

  get rawHeaders(): readonly string[] {
    return this.#raw.rawHeaders
  }

  get httpVersionMajor(): number {
    return this.#raw.httpVersionMajor
  }

  get socket(): object {
    return this.#raw.socket
  }
}
