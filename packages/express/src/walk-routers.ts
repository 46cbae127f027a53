/** One entry of an Express router's stack, as far as it concerns us. */
export interface RouterLayer {
  readonly handle: object
  /** The routers that this layer leads to; empty for a plain middleware. */
  readonly stack: readonly RouterLayer[]
  readonly kind: 'route' | 'router' | 'application' | 'middleware'
  /** Of a route, for messages. */
  readonly path: string
  readonly router: RouterOptions | undefined
}

/** How a router reads paths. */
export interface RouterOptions {
  readonly isCaseSensitive: boolean
  readonly isStrict: boolean
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

/** The layers of an application or router, with those of the routers below them. */
export function readLayers(appOrRouter: object): readonly RouterLayer[] {
  const router: unknown = 'stack' in appOrRouter ? appOrRouter : Reflect.get(appOrRouter, 'router')
  const stack: unknown = isObject(router) ? Reflect.get(router, 'stack') : undefined
  return Array.isArray(stack) ? stack.filter(isObject).map(readLayer) : []
}

function readLayer(layer: object): RouterLayer {
  const route: unknown = Reflect.get(layer, 'route')
  const handle: unknown = Reflect.get(layer, 'handle')
  const path = String(Reflect.get(layer, 'rawPath') ?? '')
  if (isObject(route)) return { handle: route, stack: readLayers(route), kind: 'route', path, router: undefined }
  if (!isObject(handle)) return { handle: layer, stack: [], kind: 'middleware', path, router: undefined }
  if ('stack' in handle) {
    return { handle, stack: readLayers(handle), kind: 'router', path, router: readRouterOptions(handle) }
  }
  // Express hides a mounted application behind a function of this name, and with it how its router reads paths.
  const kind = Reflect.get(handle, 'name') === 'mounted_app' ? 'application' : 'middleware'
  return { handle, stack: [], kind, path, router: undefined }
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
