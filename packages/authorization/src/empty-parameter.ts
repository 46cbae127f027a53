import { otherSpellings, type PathSemantics } from './path-semantics.ts'
import type { CompiledRule } from './rule.ts'
import type { RuleSet } from './rules.ts'
import type { CanonicalTarget } from './target.ts'

/**
 * Returns whether a path that ends in an empty parameter misses the rule that covers its route. For example, `/files/`
 * reaches the route `/files/:name` but not the rule `/files/*`, so a later and more lenient rule would decide.
 *
 * @param decisive the rule that decided
 */
export function missesCoveringRule(
  rules: RuleSet,
  decisive: CompiledRule | undefined,
  {
    method,
    target,
    semantics,
  }: { readonly method: string; readonly target: CanonicalTarget; readonly semantics: PathSemantics },
): boolean {
  if (!target.path.endsWith('/')) return false
  const misses = (path: string, rule: CompiledRule | undefined): boolean =>
    rule?.pattern.path.endsWith('/') !== true &&
    rule !== rules.findCovering(method, { path: `${path}*`, rest: false }, semantics)
  return (
    misses(target.path, decisive) ||
    otherSpellings(target, semantics).some((spelling) =>
      misses(spelling.path, rules.find(method, { path: spelling.path, isFoldable: true }, semantics)),
    )
  )
}
