import type { AdapterGuard } from '@countersign/core/adapter'
import { allow, isAllow } from './allow.ts'
import { countersign, findGuard } from './countersign.ts'
import type { RouterLayer } from './express-internals.ts'
import { requireBoundToken } from './require-bound-token.ts'

/** Describes a use of our middleware that cannot work, or returns undefined. */
export function findMisuse(layers: readonly RouterLayer[], guard: AdapterGuard, mountPath = ''): string | undefined {
  for (const { handle, path, stack } of layers) {
    const here = join(mountPath, path)
    const misuse = describeHandle(handle, guard, here === '' ? '/' : here) ?? findMisuse(stack, guard, here)
    if (misuse !== undefined) return misuse
  }
  return undefined
}

/** Describes the first route whose `allow()` never runs, or returns undefined. */
export function findLateAllow(layers: readonly RouterLayer[], mountPath = ''): string | undefined {
  for (const { kind, path, stack } of layers) {
    const here = join(mountPath, path)
    const late = kind === 'route' ? describeLateAllow(stack, here) : findLateAllow(stack, here)
    if (late !== undefined) return late
  }
  return undefined
}

function join(mountPath: string, path: string): string {
  return `${mountPath}${path === '/' ? '' : path}`
}

function describeHandle(handle: object, guard: AdapterGuard, place: string): string | undefined {
  if (handle === allow) return `found allow at ${place}, which was not called; write allow(…)`
  if (handle === requireBoundToken) {
    return `found requireBoundToken at ${place}, which was not called; write requireBoundToken(…)`
  }
  if (handle === countersign) return `found countersign at ${place}, which was not called; write countersign(guard)`
  const other = findGuard(handle)
  if (other === undefined || other === guard) return undefined
  return `found countersign() of another guard at ${place}, expected that of the server's guard, because another guard does not know the server's connections and denies every request`
}

// Such a handler cannot call `next`, so the handlers after it never run.
function describeLateAllow(handlers: readonly RouterLayer[], path: string): string | undefined {
  const isLate = handlers.some(
    ({ handle, method }, index) =>
      isAllow(handle) &&
      handlers
        .slice(0, index)
        .some((before) => isTerminal(before.handle) && (before.method === undefined || before.method === method)),
  )
  return isLate
    ? `route ${path}: found allow(…) after a handler that responds, expected it before the handler`
    : undefined
}

function isTerminal(handle: object): boolean {
  return typeof handle === 'function' && !isAllow(handle) && handle.length < 3
}
