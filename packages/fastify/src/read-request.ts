import type { FastifyRequest } from 'fastify'
import type { GuardedRequest } from '@countersign/core/adapter'
import { readOriginalUrl } from './fastify-internals.ts'

/**
 * The request as the guard reads it. `@fastify/express` puts what `decodeURI` makes of the target in its place, which is
 * the same target in a form that nobody sent: then the request is read with the one that was received.
 */
export function readReceived(raw: FastifyRequest['raw']): GuardedRequest {
  const { url } = raw
  const originalUrl = readOriginalUrl(raw)
  if (originalUrl === undefined || originalUrl === url || decode(originalUrl) !== url) return raw
  return new ReceivedRequest(raw, originalUrl)
}

/**
 * Whether a parameter that the router found is empty. Within a path an empty segment is refused, so that only the last one
 * can be.
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

// Of HTTP/1 alone: Express cannot serve the compatible requests of HTTP/2.
class ReceivedRequest implements GuardedRequest {
  readonly url: string
  readonly #raw: FastifyRequest['raw']

  constructor(raw: FastifyRequest['raw'], url: string) {
    this.url = url
    this.#raw = raw
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
