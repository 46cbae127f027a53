/**
 * Contains everything undocumented that this package reads of Fastify and its plugins. ARCHITECTURE.md lists these
 * members, and `test/adapters/private-members.test.ts` fails when one of them changes.
 */
import type { GuardedRequest } from '@countersign/core/adapter'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'

/** Returns the list of servers that an instance opens besides its own, or undefined if Fastify keeps it elsewhere. */
export function findServerBindings(app: FastifyInstance): unknown[] | undefined {
  const servers = readSymbol(app, 'fastify.serverBindings')
  return Array.isArray(servers) ? servers : undefined
}

/** Returns whether an instance may have a `rewriteUrl`. True also if Fastify keeps its options elsewhere. */
export function mayRewrite(app: FastifyInstance): boolean {
  const options = readSymbol(app, 'fastify.options')
  return typeof options !== 'object' || options === null || Reflect.get(options, 'rewriteUrl') !== undefined
}

/**
 * Creates a function that reads the configuration of a request's route. This is `request.routeOptions.config`, which
 * Fastify rebuilds with eleven other values on each read. That would cost more than everything else done here per
 * request.
 */
export function createConfigReader(): (request: Pick<FastifyRequest, 'routeOptions'>) => object {
  let key: symbol | undefined
  return (request) => {
    key ??= findSymbol(request, 'fastify.context')
    const context: unknown = key === undefined ? undefined : Reflect.get(request, key)
    return (isContext(context) ? context : request.routeOptions).config ?? none
  }
}

/** Returns the target as received, if `rewriteUrl` or `@fastify/express` has replaced it. */
export function readOriginalUrl(raw: GuardedRequest & { readonly originalUrl?: string }): string | undefined {
  return raw.originalUrl
}

/** Returns whether this is the root instance. A child has its parent as prototype. */
export function isRoot(app: FastifyInstance): boolean {
  return Object.getPrototypeOf(app) === Object.prototype
}

/** Returns whether routes are already registered. */
export function hasRoutes(app: FastifyInstance): boolean {
  return !app.printRoutes().startsWith('(empty')
}

/**
 * Returns whether the application logs. Without a logger, all methods of Fastify's default one are the same empty
 * function.
 */
export function hasLogger({ log }: { readonly log: Pick<FastifyBaseLogger, 'warn' | 'error'> }): boolean {
  return log.warn !== log.error
}

/**
 * Returns whether an `upgrade` listener is that of `@fastify/websocket`, which passes the request to the router. Checks
 * what the function does rather than its name, because minifiers remove names.
 */
export function routesUpgrade(listener: object): boolean {
  return typeof listener === 'function' && Function.prototype.toString.call(listener).includes('.routing(')
}

function readSymbol(owner: object, description: string): unknown {
  const symbol = findSymbol(owner, description)
  return symbol === undefined ? undefined : Reflect.get(owner, symbol)
}

function findSymbol(owner: object, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(owner).find(({ description }) => description === name)
}

interface RouteContext {
  readonly config?: object
}

function isContext(value: unknown): value is RouteContext {
  return typeof value === 'object' && value !== null && 'config' in value
}

const none: object = Object.freeze({})
