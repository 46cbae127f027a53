import { ConfigurationError } from '@countersign/spiffe/id'
import { refuseValue } from '@countersign/spiffe/options'
import type { RequirementContext } from './compile-requirement.ts'
import { type CompiledRule, describeRule, parseRule } from './rule.ts'
import { createRuleIndex, type RuleIndex } from './rule-index.ts'
import { exactSemantics, foldPattern, foldTarget, semanticsKey, type PathSemantics } from './path-semantics.ts'
import type { SegmentPattern } from './path-pattern.ts'
import type { PathSpelling } from './escaped-path.ts'
import { CacheMemory } from './bounded-cache.ts'
import { commonMethods } from './target.ts'

/** Ordered rules, checked and indexed: the first that matches decides. Immutable to those who hold it. */
export class RuleSet {
  /** In the order in which they were written. */
  readonly rules: readonly CompiledRule[]
  /** The methods that a request may have: the common ones and those that a rule names. */
  readonly knownMethods: ReadonlySet<string>
  readonly #indexes: RuleIndex<CompiledRule>[] = []
  // One for all methods and readings, so that their number does not multiply it.
  readonly #memory = new CacheMemory()

  constructor(rules: readonly CompiledRule[]) {
    this.rules = rules
    this.knownMethods = new Set([...commonMethods, ...rules.flatMap((rule) => [...(rule.methods ?? [])])])
    Object.freeze(this)
  }

  /** The first rule for a request, or undefined when none covers it and it is denied. */
  find(method: string, target: PathSpelling, semantics: PathSemantics): CompiledRule | undefined {
    return this.#index(semantics).find(foldTarget(target, semantics), method)
  }

  /** The first rule that contains every path of a route for a method, or undefined when the route is uncovered. */
  findCovering(method: string, route: SegmentPattern, semantics: PathSemantics): CompiledRule | undefined {
    return this.#index(semantics).findContaining(foldPattern(route, semantics), method)
  }

  /**
   * Makes ready for a reading and refuses rules that can never decide in it, because earlier ones match whatever they
   * match: two rules that differ in case only are one to a router that ignores case.
   *
   * @throws {ConfigurationError} `rule_unreachable` with index and path of the rule and of those before it
   */
  checkSemantics(semantics: PathSemantics): void {
    const index = this.#index(semantics)
    for (const rule of this.rules) {
      const pattern = foldPattern(rule.pattern, semantics)
      const methods = rule.methods === undefined ? [undefined] : [...rule.methods]
      const earlier = methods.flatMap((method) => {
        const first = index.findContaining(pattern, method)
        return first !== undefined && first.index < rule.index ? [first] : []
      })
      if (earlier.length === methods.length) refuseUnreachable(rule, earlier)
    }
  }

  #index(semantics: PathSemantics): RuleIndex<CompiledRule> {
    return (this.#indexes[semanticsKey(semantics)] ??= createRuleIndex(
      this.rules,
      (rule) => foldPattern(rule.pattern, semantics),
      this.#memory,
    ))
  }
}

/**
 * Turns rules from outside into a rule set and checks it by the letter; other readings are checked when they are known.
 *
 * @throws {ConfigurationError} `option_invalid`, `option_unknown` or `rule_invalid` for a rule that cannot be what its
 * author meant, `rule_unreachable` for one that can never decide
 */
export function compileRules(input: unknown, context: Omit<RequirementContext, 'where'>): RuleSet {
  if (!Array.isArray(input)) refuseValue('rules', input, 'a list of rules')
  if (input.length === 0) refuseValue('rules', input, 'at least one rule')
  const parsed = Array.from(input, (rule: unknown, index) => parseRule(rule, index, context))
  const rules = new RuleSet(Object.freeze(parsed))
  rules.checkSemantics(exactSemantics)
  return rules
}

function refuseUnreachable(rule: CompiledRule, earlier: readonly CompiledRule[]): never {
  const names = new Set(earlier.map(describeRule))
  throw new ConfigurationError(
    'rule_unreachable',
    `${describeRule(rule)} never decides, because ${[...names].join(' and ')} comes first; move it up or remove it`,
    { value: rule.text },
  )
}
