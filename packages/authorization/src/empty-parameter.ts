import { otherSpellings, type Reading } from './reading.ts'
import type { RuleSet } from './rules.ts'
import { parsePath } from './target.ts'

/**
 * Whether a path that ends in an empty parameter misses the rule that covers its route: `/files/` reaches
 * `/files/:name`, but not the rule `/files/*`, so that a later and laxer rule would decide.
 *
 * @param params what a router of Fastify found, by name
 */
export function missesCoveringRule(
  rules: RuleSet,
  { method = '', url = '' }: { readonly method?: string | undefined; readonly url?: string | undefined },
  params: unknown,
  reading: Reading,
): boolean {
  if (typeof params !== 'object' || params === null) return false
  // Within a path an empty segment is refused, so that only the last parameter can be empty.
  if (!Object.entries(params).some(([name, value]) => value === '' && name !== '*')) return false
  const target = parsePath(url)
  if (!target.accepted || !target.path.endsWith('/')) return false
  const find = (path: string) => rules.find(method, { path, mayFold: true }, reading)
  return [target, ...otherSpellings(target, reading)].some(({ path }) => {
    const decisive = find(path)
    // No rule names this segment, so that only those are found that take any.
    return decisive !== find(`${path}\0`) && decisive?.pattern.path.endsWith('/') !== true
  })
}
