import type { FastifyRequest } from 'fastify'

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

/** The target as it was received, where Fastify's `rewriteUrl` has put another one in its place. */
export function readOriginalUrl({ originalUrl }: FastifyRequest['raw'] & Rewritten): string | undefined {
  return originalUrl
}

interface Rewritten {
  readonly originalUrl?: string
}

interface RouteContext {
  readonly config?: object
}

function isContext(value: unknown): value is RouteContext {
  return typeof value === 'object' && value !== null && 'config' in value
}

const none: object = Object.freeze({})
