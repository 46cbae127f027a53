/**
 * Everything that this package reads of Express without its documentation promising it. ARCHITECTURE.md lists these members,
 * and `test/adapters/private-members.test.ts` fails when one of them changes.
 */
import { inspect } from 'node:util'

/** One entry of an Express router's stack, as far as it concerns us. */
export interface RouterLayer {
  readonly handle: object
  /** The routers that this layer leads to; empty for a plain middleware. */
  readonly stack: readonly RouterLayer[]
  readonly kind: 'route' | 'router' | 'application' | 'middleware' | 'opaque'
  /** Of a handler in a route, lower case; undefined where it takes every method. */
  readonly method: string | undefined
  /** Of a route, for messages. */
  readonly path: string
  /** Whether its path is a regular expression, which reads by itself. */
  readonly isExpression: boolean
  readonly router: RouterOptions | undefined
}

/** How a router reads paths. */
export interface RouterOptions {
  readonly isCaseSensitive: boolean
  readonly isStrict: boolean
}

/** Whether a request listener is an application of Express. */
export function isApplication(listener: object): boolean {
  return typeof listener === 'function' && 'mountpath' in listener && 'router' in listener
}

/** Whether an application is one of Express 4, whose routers cannot be read as those of Express 5 are. */
export function isExpress4(app: unknown): boolean {
  return typeof app === 'function' && typeof Reflect.get(app, 'lazyrouter') === 'function'
}

/**
 * The prototype that all requests of an application share, where Express has given it to this one: a property there is
 * defined once, and not for each request.
 */
export function findRequestPrototype(request: object & { readonly app?: object | undefined }): object | undefined {
  const prototype = Reflect.getPrototypeOf(request) ?? undefined
  const shared: unknown = request.app && Reflect.get(request.app, 'request')
  return shared === prototype ? prototype : undefined
}

/** Whether a request listener is a router without an application. */
export function isRouter(listener: object): boolean {
  return typeof listener === 'function' && 'stack' in listener && 'caseSensitive' in listener
}

/** The application that a request entered first, from the one that handles it now. */
export function findRootApp(app: unknown): object | undefined {
  let root: unknown = app
  while (isObject(root) && isObject(Reflect.get(root, 'parent'))) root = Reflect.get(root, 'parent')
  return isObject(root) ? root : undefined
}

/** The options of an application's own router. */
export function readAppOptions(app: object): RouterOptions {
  const router: unknown = Reflect.get(app, 'router')
  return readRouterOptions(isObject(router) ? router : {})
}

/** The layers of an application or router, with those of the routers below them; a router inside itself ends there. */
export function readLayers(appOrRouter: object, outer: readonly object[] = []): readonly RouterLayer[] {
  const router: unknown = 'stack' in appOrRouter ? appOrRouter : Reflect.get(appOrRouter, 'router')
  if (!isObject(router) || outer.includes(router)) return []
  const stack: unknown = Reflect.get(router, 'stack')
  return Array.isArray(stack) ? stack.filter(isObject).map((layer) => readLayer(layer, [...outer, router])) : []
}

function readLayer(layer: object, outer: readonly object[]): RouterLayer {
  const route: unknown = Reflect.get(layer, 'route')
  const handle: unknown = Reflect.get(layer, 'handle')
  const rawPath: unknown = Reflect.get(layer, 'rawPath')
  const path = typeof rawPath === 'string' ? rawPath : inspect(rawPath)
  const isExpression = [rawPath].flat().some((each) => each instanceof RegExp)
  const method: unknown = Reflect.get(layer, 'method')
  const common = {
    method: typeof method === 'string' ? method : undefined,
    path,
    isExpression,
    stack: [],
    router: undefined,
  }
  if (isObject(route)) return { ...common, handle: route, stack: readLayers(route, outer), kind: 'route' }
  if (!isObject(handle)) return { ...common, handle: layer, kind: 'middleware' }
  if ('stack' in handle) {
    return { ...common, handle, stack: readLayers(handle, outer), kind: 'router', router: readRouterOptions(handle) }
  }
  if ('mountpath' in handle || hidesApplication(handle)) {
    return { ...common, handle, kind: 'application' }
  }
  // What has a path of its own is often a function around a router.
  return { ...common, handle, kind: rawPath === undefined || path === '/' ? 'middleware' : 'opaque' }
}

// Express hides a mounted application behind a function; mounted in a router it is not hidden. By what the function does
// and not by its name, because minifiers take that away.
function hidesApplication(handle: object): boolean {
  if (typeof handle !== 'function') return false
  const source = Function.prototype.toString.call(handle)
  return source.includes('.handle(') && source.includes('setPrototypeOf')
}

function readRouterOptions(router: object): RouterOptions {
  return {
    isCaseSensitive: Reflect.get(router, 'caseSensitive') === true,
    isStrict: Reflect.get(router, 'strict') === true,
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
