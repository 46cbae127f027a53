import type { FastifyInstance } from 'fastify'
import type { PathSemantics } from '@countersign/core/adapter'

/**
 * Reads how the router of an instance reads paths. It decodes a path before folding case, so all of Unicode folds. It
 * keeps the escapes of reserved characters, but always decodes a space and everything outside ASCII. Its other options
 * concern targets that are refused anyway.
 */
export function readRouterOptions(config: FastifyInstance['initialConfig']): PathSemantics {
  const read = (name: string): unknown => {
    const nested: unknown = Reflect.get(config, 'routerOptions')
    const inner: unknown = typeof nested === 'object' && nested !== null ? Reflect.get(nested, name) : undefined
    return inner ?? Reflect.get(config, name)
  }
  return {
    foldCase: read('caseSensitive') === false ? 'unicode' : false,
    foldTrailingSlash: read('ignoreTrailingSlash') === true,
    comparesEscaped: 'unneeded',
  }
}
