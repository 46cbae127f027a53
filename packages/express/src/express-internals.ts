/**
 * Contains everything undocumented that this package reads of Express. ARCHITECTURE.md lists these members, and
 * `test/adapters/private-members.test.ts` fails when one of them changes.
 */
import { inspect } from 'node:util'

/** One layer of an Express router's stack, with the fields that matter here. */
export interface RouterLayer {
  readonly handle: object
  /** The layers below this one. Empty for a plain middleware. */
  readonly stack: readonly RouterLayer[]
  readonly kind: 'route' | 'router' | 'application' | 'middleware' | 'opaque'
  /** The method of a handler in a route, in lower case. Undefined if it handles every method. */
  readonly method: string | undefined
  /** The path of a route, for messages. */
  readonly path: string
  /** True if the path is a regular expression, which has its own case and slash semantics. */
  readonly isExpression: boolean
  readonly router: RouterOptions | undefined
}

/** How a router reads paths. */
export interface RouterOptions {
  readonly isCaseSensitive: boolean
  readonly isStrict: boolean
}

/** Returns whether a request listener is an Express application. */
export function isApplication(listener: object): boolean {
  return typeof listener === 'function' && 'mountpath' in listener && 'router' in listener
}

/** Returns whether an application is from Express 4, whose routers cannot be read like those of Express 5. */
export function isExpress4(app: unknown): boolean {
  return typeof app === 'function' && typeof Reflect.get(app, 'lazyrouter') === 'function'
}

/**
 * Returns the prototype shared by all requests of an application, if Express has set it on this request. A property is
 * defined there once rather than on each request.
 */
export function findRequestPrototype(request: object & { readonly app?: object | undefined }): object | undefined {
  const prototype = Reflect.getPrototypeOf(request) ?? undefined
  const shared: unknown = request.app && Reflect.get(request.app, 'request')
  return shared === prototype ? prototype : undefined
}

/** Returns whether a request listener is a router without an application. */
export function isRouter(listener: object): boolean {
  return typeof listener === 'function' && 'stack' in listener && 'caseSensitive' in listener
}

/** Returns the application that a request entered first, given the one that handles it now. */
export function findRootApp(app: unknown): object | undefined {
  let root: unknown = app
  while (isObject(root) && isObject(Reflect.get(root, 'parent'))) root = Reflect.get(root, 'parent')
  return isObject(root) ? root : undefined
}

/** Returns the options of an application's own router. */
export function readAppOptions(app: object): RouterOptions {
  const router: unknown = Reflect.get(app, 'router')
  return readRouterOptions(isObject(router) ? router : {})
}

/**
 * Returns the layers of an application or router, including those of the routers below. Stops at a router that contains
 * itself.
 */
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
  // A function that is mounted on a path often wraps a router.
  return { ...common, handle, kind: rawPath === undefined || path === '/' ? 'middleware' : 'opaque' }
}

// Express wraps a mounted application in a function, except when it is mounted in a router. Checks what the function
// does rather than its name, because minifiers remove names.
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
