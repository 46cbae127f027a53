import { ConfigurationError } from '@countersign/spiffe/id'
import { refuseValue } from '@countersign/spiffe/options'
import type { RequirementContext } from './compile-requirement.ts'
import { type CompiledRule, describeRule, parseRule } from './rule.ts'
import { runAtOnce, runInTurns, type Turns } from './in-turns.ts'
import { buildRuleIndex, type RuleIndex } from './rule-index.ts'
import { exactSemantics, foldPattern, foldTarget, semanticsKey, type PathSemantics } from './path-semantics.ts'
import type { SegmentPattern } from './path-pattern.ts'
import type { PathSpelling } from './escaped-path.ts'
import { CacheMemory } from './bounded-cache.ts'
import { commonMethods } from './target.ts'

/** Validated and indexed rules, in order: the first match decides. Immutable from outside. */
export class RuleSet {
  /** The rules in the order in which they were written. */
  readonly rules: readonly CompiledRule[]
  /** The methods that a request may have: the common ones and those that a rule names. */
  readonly knownMethods: ReadonlySet<string>
  readonly #indexes: RuleIndex<CompiledRule>[] = []
  // One memory for all methods and semantics, so that their number does not multiply its size.
  readonly #memory = new CacheMemory()

  constructor(rules: readonly CompiledRule[], knownMethods?: ReadonlySet<string>) {
    this.rules = rules
    this.knownMethods =
      knownMethods ?? new Set([...commonMethods, ...rules.flatMap((rule) => [...(rule.methods ?? [])])])
    Object.freeze(this)
  }

  /** Returns the rule with this index, which in a subset is not its position. */
  at(index: number): CompiledRule | undefined {
    return this.rules[index]?.index === index ? this.rules[index] : this.rules.find((rule) => rule.index === index)
  }

  /**
   * Returns the set without some of its rules. The others keep their indexes.
   *
   * @throws {ConfigurationError} `option_invalid` if no rule is left
   */
  without(isLeftOut: (rule: CompiledRule) => boolean): RuleSet {
    const kept = this.rules.filter((rule) => !isLeftOut(rule))
    if (kept.length > 0) return new RuleSet(Object.freeze(kept))
    throw new ConfigurationError(
      'option_invalid',
      'rules: found only rules in audit mode, expected at least one that is enforced, because a request without a rule is denied',
    )
  }

  /** Returns the first rule for a request, or undefined if none covers it, in which case it is denied. */
  find(method: string, target: PathSpelling, semantics: PathSemantics): CompiledRule | undefined {
    return this.#index(semantics).find(foldTarget(target, semantics), method)
  }

  /**
   * Returns the first rule that contains every path of a route for a method, or undefined if the route is not covered.
   */
  findCovering(method: string, route: SegmentPattern, semantics: PathSemantics): CompiledRule | undefined {
    return this.#index(semantics).findContaining(foldPattern(route, semantics), method)
  }

  /**
   * Builds the index for these semantics, and refuses rules that can never decide under them because earlier rules
   * match everything they match. For example, a router that ignores case cannot tell apart two rules that differ only
   * in case.
   *
   * @throws {ConfigurationError} `rule_unreachable`; the message names index and path of the rule and of the earlier
   * ones
   */
  checkSemantics(semantics: PathSemantics): void {
    runAtOnce(this.prepare(semantics))
  }

  /**
   * Does the same in steps, one for each rule.
   *
   * @throws {ConfigurationError} as `checkSemantics` does
   */
  *prepare(semantics: PathSemantics): Generator<undefined, void> {
    const key = semanticsKey(semantics)
    const built = this.#indexes[key] ?? (yield* this.#build(semantics))
    const index = (this.#indexes[key] ??= built)
    for (const rule of this.rules) {
      const pattern = foldPattern(rule.pattern, semantics)
      const methods = rule.methods === undefined ? [undefined] : [...rule.methods]
      const earlier = methods.flatMap((method) => {
        const first = index.findContaining(pattern, method)
        return first !== undefined && first.index < rule.index ? [first] : []
      })
      if (earlier.length === methods.length) refuseUnreachable(rule, earlier)
      yield
    }
  }

  #index(semantics: PathSemantics): RuleIndex<CompiledRule> {
    return (this.#indexes[semanticsKey(semantics)] ??= runAtOnce(this.#build(semantics)))
  }

  #build(semantics: PathSemantics): Generator<undefined, RuleIndex<CompiledRule>> {
    return buildRuleIndex(this.rules, (rule) => foldPattern(rule.pattern, semantics), this.#memory)
  }
}

/**
 * Compiles rules into a rule set and checks it for exact matching. Other semantics are checked once they are known.
 *
 * @throws {ConfigurationError} `option_invalid`, `option_unknown` or `rule_invalid` for an invalid rule;
 * `rule_unreachable` for a rule that can never decide
 */
export function compileRules(input: unknown, context: Omit<RequirementContext, 'where'>): RuleSet {
  return runAtOnce(compileInSteps(input, context, [exactSemantics]))
}

/**
 * Compiles rules as `compileRules` does, in turns, so that many rules do not delay requests. The rules are also indexed and
 * checked for these semantics.
 *
 * @throws {ConfigurationError} as `compileRules` does
 */
export async function compileRulesInTurns(
  input: unknown,
  context: Omit<RequirementContext, 'where'>,
  turns: Turns,
  semantics: readonly PathSemantics[] = [],
): Promise<RuleSet> {
  return runInTurns(compileInSteps(input, context, [exactSemantics, ...semantics]), turns)
}

function* compileInSteps(
  input: unknown,
  context: Omit<RequirementContext, 'where'>,
  semantics: readonly PathSemantics[],
): Generator<undefined, RuleSet> {
  if (!Array.isArray(input)) refuseValue('rules', input, 'a list of rules')
  if (input.length === 0) refuseValue('rules', input, 'at least one rule')
  const given: readonly unknown[] = Array.from<unknown>(input)
  const parsed: CompiledRule[] = []
  for (const [index, rule] of given.entries()) {
    parsed.push(parseRule(rule, index, context))
    yield
  }
  const rules = new RuleSet(Object.freeze(parsed))
  for (const each of semantics) yield* rules.prepare(each)
  return rules
}

function refuseUnreachable(rule: CompiledRule, earlier: readonly CompiledRule[]): never {
  const names = new Set(earlier.map(describeRule))
  throw new ConfigurationError(
    'rule_unreachable',
    `${describeRule(rule)} is unreachable, because its requests are already decided by ${[...names].join(' and ')}; move it up or remove it`,
    { value: rule.text, where: `rules[${rule.index}]` },
  )
}
