import {
  type CompiledPolicy,
  type CompiledPolicySet,
  type CompiledRule,
  createTargetParser,
  describeRule,
  exactSemantics,
  type Layers,
  type PathSemantics,
  type RuleSet,
} from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe'

/** What a guard decides with. */
export interface DecisionInput {
  readonly rules: RuleSet
  /** Undefined if the guard has no policies. */
  readonly policies: CompiledPolicySet | undefined
  /** Identifies the content of the policies. */
  readonly revision: string | undefined
  /** False if a rule for every authenticated caller stands in for rules. Default: true. */
  readonly hasOwnRules?: boolean
}

/** Rules and policies, and until when they are enforced. */
interface Stage {
  /** Epoch milliseconds. */
  readonly until: number
  readonly layers: Layers
}

/**
 * The rules and policies of one revision that are enforced. Those in audit mode are left out until their audit ends, so
 * what is enforced changes at those times without a restart.
 */
export class LayersInForce {
  /** All rules and policies, as they are enforced once every audit has ended. */
  readonly full: Layers
  readonly revision: string | undefined
  readonly hasOwnRules: boolean
  /** True if a policy reads headers, the host, the port or addresses. */
  readonly readsFacts: boolean
  /** Parses targets for the methods that these rules name. */
  readonly parseTarget: ReturnType<typeof createTargetParser>
  // In the order of time.
  readonly #stages: readonly Stage[]

  /**
   * @throws {ConfigurationError} `rule_unreachable` or `option_invalid` if a set without the rules and policies in audit
   * mode would not be accepted by itself
   */
  constructor({ rules, policies, revision, hasOwnRules = true }: DecisionInput) {
    this.full = Object.freeze({ rules, policies })
    this.revision = revision
    this.hasOwnRules = hasOwnRules
    this.readsFacts = policies?.readsFacts === true
    this.parseTarget = createTargetParser(new Set([...rules.knownMethods, ...(policies?.methods ?? [])]))
    const ends = new Set(
      [...rules.rules, ...(policies?.policies ?? [])].flatMap(({ auditUntil }) =>
        auditUntil === undefined ? [] : [auditUntil],
      ),
    )
    this.#stages = [...ends]
      .toSorted((one, other) => one - other)
      .map((until) => ({ until, layers: leaveOut(this.full, until) }))
    this.checkAudited(exactSemantics)
  }

  /** True if a rule or a policy has, or had, an audit. */
  get hasAudited(): boolean {
    return this.#stages.length > 0
  }

  /** Returns what is enforced now. Reads the clock only if something has an audit. */
  current(): Layers {
    if (this.#stages.length === 0) return this.full
    const now = Date.now()
    return this.#stages.find(({ until }) => now < until)?.layers ?? this.full
  }

  /** Returns everything that is or will be enforced. */
  all(): readonly Layers[] {
    const now = Date.now()
    return [...this.#stages.filter(({ until }) => now < until).map(({ layers }) => layers), this.full]
  }

  /** Describes what decides instead of a rule that is not enforced. */
  describeNextRule({ pattern, methods }: CompiledRule): string {
    const [method = 'GET'] = methods ?? []
    const next = this.current().rules.findCovering(method, pattern, exactSemantics)
    return next === undefined ? 'several rules, or to none' : describeRule(next)
  }

  /** Describes what a policy that is not enforced leaves to the others. */
  describeWithoutPolicy({ action }: CompiledPolicy): string {
    if (action === 'DENY') return 'what it denies is allowed if the other policies and the rules allow it'
    return this.current().policies?.isAllowRequired === true
      ? 'a request needs another ALLOW policy'
      : 'no ALLOW policy is enforced, so the rules alone decide'
  }

  /**
   * Checks every set of rules for these semantics; see `RuleSet.checkSemantics`.
   *
   * @throws {ConfigurationError} `rule_unreachable`
   */
  checkSemantics(semantics: PathSemantics): void {
    this.full.rules.checkSemantics(semantics)
    this.checkAudited(semantics)
  }

  /**
   * Checks only the sets without rules in audit mode, for rules that were checked when they were compiled.
   *
   * @throws {ConfigurationError} `rule_unreachable`
   */
  checkAudited(semantics: PathSemantics): void {
    for (const { layers } of this.#stages) layers.rules.checkSemantics(semantics)
  }
}

function leaveOut({ rules, policies }: Layers, until: number): Layers {
  const isLeftOut = ({ auditUntil = 0 }: { readonly auditUntil: number | undefined }): boolean => auditUntil >= until
  const enforced = policies?.without(isLeftOut)
  if (policies?.isAllowRequired === true && enforced?.isAllowRequired === true) requireAllow(policies, enforced)
  return Object.freeze({ rules: rules.rules.some(isLeftOut) ? rules.without(isLeftOut) : rules, policies: enforced })
}

// Without rules, only ALLOW policies can allow a request.
function requireAllow(full: CompiledPolicySet, enforced: CompiledPolicySet): void {
  if (!hasAllow(full) || hasAllow(enforced)) return
  throw new ConfigurationError(
    'option_invalid',
    "policies: found only ALLOW policies in audit mode, expected at least one that is enforced, because without rules a request needs one; to try all of them, use createGuard({ mode: { audit: { until: '…' } } })",
  )
}

function hasAllow({ policies }: CompiledPolicySet): boolean {
  return policies.some(({ action }) => action === 'ALLOW')
}
