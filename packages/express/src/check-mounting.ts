import type { AdapterGuard } from '@countersign/core/adapter'
import { ConfigurationError } from '@countersign/core'
import { checkAllow, isAllow } from './allow.ts'
import { findGuard } from './countersign.ts'
import { findLateAllow, findMisuse } from './find-misuse.ts'
import { readLayers, type RouterLayer } from './express-internals.ts'

/** Returns the error for an application in which a request can reach a handler without this guard, or undefined. */
export function checkMounting(app: object, guard: AdapterGuard): ConfigurationError | undefined {
  const layers = readLayers(app)
  const misuse = findMisuse(layers, guard)
  if (misuse !== undefined) return refuse(misuse)
  const paths = findUnguarded(layers, '')
  if (paths.length === 0) {
    const late = findLateAllow(layers)
    return late === undefined ? undefined : refuse(late)
  }
  const found = paths.length === 1 ? 'route' : `${paths.length} routes,`
  const are = paths.length === 1 ? 'is' : 'are'
  return new ConfigurationError(
    'registration_invalid',
    `createServer: ${found} ${paths.join(', ')} ${are} registered before countersign(guard) and would answer every caller; mount app.use(countersign(guard)) first`,
    { value: paths[0] },
  )
}

function refuse(finding: string): ConfigurationError {
  return new ConfigurationError('registration_invalid', `createServer: ${finding}`)
}

/** Returns the error for a route whose `allow` no caller of this guard can meet, or undefined. */
export function checkAllows(app: object, guard: AdapterGuard): unknown {
  try {
    for (const layer of readLayers(app)) visit(layer, guard)
    return undefined
  } catch (error) {
    return error
  }
}

function visit({ handle, stack }: RouterLayer, guard: AdapterGuard): void {
  checkAllow(handle, guard)
  for (const layer of stack) visit(layer, guard)
}

function findUnguarded(layers: readonly RouterLayer[], mountPath: string): readonly string[] {
  const paths: string[] = []
  for (const layer of layers) {
    const { kind, stack, path, handle } = layer
    // Mounted on another path, it does not guard anything outside that path.
    if (findGuard(handle) !== undefined && path === '/') break
    if (kind === 'route' && !isNarrowed(stack)) paths.push(`${mountPath}${path}`)
    if (kind === 'router') paths.push(...findUnguarded(stack, `${mountPath}${path === '/' ? '' : path}`))
  }
  return paths
}

// Returns whether every handler of the route comes after an `allow` for its method.
function isNarrowed(handlers: readonly RouterLayer[]): boolean {
  return handlers.every(
    ({ handle, method }, index) =>
      isAllow(handle) ||
      handlers
        .slice(0, index)
        .some((before) => isAllow(before.handle) && (before.method === undefined || before.method === method)),
  )
}
