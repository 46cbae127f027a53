/**
 * Everything that this package reads of Fastify and its plugins without their documentation promising it. ARCHITECTURE.md
 * lists these members, and `test/adapters/private-members.test.ts` fails when one of them changes.
 */
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'

/** The list of servers that an instance opens besides its own; undefined where Fastify keeps it elsewhere. */
export function findServerBindings(app: FastifyInstance): unknown[] | undefined {
  const servers = readSymbol(app, 'fastify.serverBindings')
  return Array.isArray(servers) ? servers : undefined
}

/** Whether an instance has a `rewriteUrl`. Where Fastify keeps its options elsewhere, it may. */
export function mayRewrite(app: FastifyInstance): boolean {
  const options = readSymbol(app, 'fastify.options')
  return typeof options !== 'object' || options === null || Reflect.get(options, 'rewriteUrl') !== undefined
}

/**
 * Creates the function that reads the configuration of a request's route: what `request.routeOptions.config` is, which
 * Fastify puts together with eleven other things each time it is read, for more than all else that a request costs here.
 */
export function createConfigReader(): (request: Pick<FastifyRequest, 'routeOptions'>) => object {
  let key: symbol | undefined
  return (request) => {
    key ??= findSymbol(request, 'fastify.context')
    const context: unknown = key === undefined ? undefined : Reflect.get(request, key)
    return (isContext(context) ? context : request.routeOptions).config ?? none
  }
}

/** The target as it was received, where `rewriteUrl` or `@fastify/express` has put another one in its place. */
export function readOriginalUrl(raw: FastifyRequest['raw'] & { readonly originalUrl?: string }): string | undefined {
  return raw.originalUrl
}

/** Whether this is the root instance: a child has its parent as prototype. */
export function isRoot(app: FastifyInstance): boolean {
  return Object.getPrototypeOf(app) === Object.prototype
}

/** Whether routes are registered already. */
export function hasRoutes(app: FastifyInstance): boolean {
  return !app.printRoutes().startsWith('(empty')
}

/** Whether the application logs: without a logger Fastify has one whose methods are one function that does nothing. */
export function hasLogger({ log }: { readonly log: Pick<FastifyBaseLogger, 'warn' | 'error'> }): boolean {
  return log.warn !== log.error
}

/**
 * Whether an `upgrade` listener is that of `@fastify/websocket`, which hands the request to the router. By what it does and
 * not by its name, because minifiers take that away.
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
