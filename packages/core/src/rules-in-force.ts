import {
  type CompiledRule,
  describeRule,
  exactSemantics,
  type PathSemantics,
  type RuleSet,
} from '@countersign/authorization'

/** A set of rules, and until when it is enforced. */
interface Stage {
  /** Epoch milliseconds. */
  readonly until: number
  readonly rules: RuleSet
}

/**
 * The rules that are enforced. Rules in audit mode are left out until their audit ends, so the set changes at those
 * times without a restart.
 */
export class RulesInForce {
  /** All rules, as they are enforced once every audit has ended. */
  readonly full: RuleSet
  // In the order of time.
  readonly #stages: readonly Stage[]

  /**
   * @throws {ConfigurationError} `rule_unreachable` or `option_invalid` if a set without the rules in audit mode would
   * not be accepted by itself
   */
  constructor(full: RuleSet) {
    this.full = full
    const ends = new Set(full.rules.flatMap(({ auditUntil }) => (auditUntil === undefined ? [] : [auditUntil])))
    this.#stages = [...ends]
      .toSorted((one, other) => one - other)
      .map((until) => ({ until, rules: full.without(({ auditUntil = 0 }) => auditUntil >= until) }))
    this.checkSemantics(exactSemantics)
  }

  /** True if a rule has, or had, an audit. */
  get hasAudited(): boolean {
    return this.#stages.length > 0
  }

  /** Returns the rules that are enforced now. Reads the clock only if a rule has an audit. */
  current(): RuleSet {
    if (this.#stages.length === 0) return this.full
    const now = Date.now()
    return this.#stages.find(({ until }) => now < until)?.rules ?? this.full
  }

  /** Returns every set that is or will be enforced. */
  all(): readonly RuleSet[] {
    const now = Date.now()
    return [...this.#stages.filter(({ until }) => now < until).map(({ rules }) => rules), this.full]
  }

  /** Describes the rule that decides instead of one that is not enforced. */
  describeNext({ pattern, methods }: CompiledRule): string {
    const [method = 'GET'] = methods ?? []
    const next = this.current().findCovering(method, pattern, exactSemantics)
    return next === undefined ? 'several rules, or to none' : describeRule(next)
  }

  /**
   * Checks every set for these semantics; see `RuleSet.checkSemantics`.
   *
   * @throws {ConfigurationError} `rule_unreachable`
   */
  checkSemantics(semantics: PathSemantics): void {
    for (const rules of this.all()) rules.checkSemantics(semantics)
  }
}
