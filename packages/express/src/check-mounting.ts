import { ConfigurationError, type Guard } from '@countersign/core'
import { checkAllow, isAllow } from './allow.ts'
import { findGuard } from './countersign.ts'
import { readLayers, type RouterLayer } from './walk-routers.ts'

/** The error for an application that has a route with no guard before it and none in it, if it has one. */
export function checkMounting(app: object): ConfigurationError | undefined {
  const path = findUnguarded(readLayers(app), '')
  if (path === undefined) return undefined
  return new ConfigurationError(
    'registration_invalid',
    `createServer: route ${path} is registered before countersign(guard) and would answer every caller; mount app.use(countersign(guard)) first`,
    { value: path },
  )
}

/** The error of a route whose `allow` asks for what no caller of this guard can have, if there is one. */
export function checkAllows(app: object, guard: Guard): unknown {
  try {
    for (const layer of readLayers(app)) visit(layer, guard)
    return undefined
  } catch (error) {
    return error
  }
}

function visit({ handle, stack }: RouterLayer, guard: Guard): void {
  checkAllow(handle, guard)
  for (const layer of stack) visit(layer, guard)
}

function findUnguarded(layers: readonly RouterLayer[], mountPath: string): string | undefined {
  for (const layer of layers) {
    const { kind, stack, path, handle } = layer
    // Mounted on a path of its own, it guards nothing beside that path.
    if (findGuard(handle) !== undefined && path === '/') return undefined
    if (kind === 'route' && !isNarrowed(stack)) return `${mountPath}${path}`
    if (kind !== 'router') continue
    const inner = findUnguarded(stack, `${mountPath}${path === '/' ? '' : path}`)
    if (inner !== undefined) return inner
  }
  return undefined
}

// Every handler of the route, in its order and for its method, stands behind an `allow`.
function isNarrowed(handlers: readonly RouterLayer[]): boolean {
  return handlers.every(
    ({ handle, method }, index) =>
      isAllow(handle) ||
      handlers
        .slice(0, index)
        .some((before) => isAllow(before.handle) && (before.method === undefined || before.method === method)),
  )
}
