import type { FastifyRequest } from 'fastify'
import type { GuardedRequest } from '@countersign/core/adapter'

/**
 * Creates the function that reads the configuration of a request's route: what `request.routeOptions.config` is, which
 * Fastify puts together with eleven other things each time it is read, for more than all else that a request costs here.
 */
export function createConfigReader(): (request: Pick<FastifyRequest, 'routeOptions'>) => object {
  let key: symbol | undefined
  return (request) => {
    key ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === 'fastify.context')
    const context: unknown = key === undefined ? undefined : Reflect.get(request, key)
    return (isContext(context) ? context : request.routeOptions).config ?? none
  }
}

/**
 * The request as the guard reads it. `@fastify/express` puts what `decodeURI` makes of the target in its place, which is
 * the same target in a form that nobody sent: then the request is read with the one that was received.
 */
export function readReceived(raw: FastifyRequest['raw'] & Rewritten): GuardedRequest {
  const { url, originalUrl } = raw
  if (originalUrl === undefined || originalUrl === url || decode(originalUrl) !== url) return raw
  return new ReceivedRequest(raw, originalUrl)
}

/** The target as it was received, where Fastify's `rewriteUrl` has put another one in its place. */
export function readOriginalUrl({ originalUrl }: FastifyRequest['raw'] & Rewritten): string | undefined {
  return originalUrl
}

/**
 * Whether a parameter that the router found is empty. Within a path an empty segment is refused, so that only the last one
 * can be.
 */
export function isLastParameterEmpty(params: unknown): boolean {
  if (typeof params !== 'object' || params === null) return false
  return Object.entries(params).some(([name, value]) => value === '' && name !== '*')
}

interface Rewritten {
  readonly originalUrl?: string
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

interface RouteContext {
  readonly config?: object
}

function isContext(value: unknown): value is RouteContext {
  return typeof value === 'object' && value !== null && 'config' in value
}

const none: object = Object.freeze({})
