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

type TargetParser = ReturnType<typeof createTargetParser>

/** The rules and policies that a guard decides with. */
export interface DecisionInput {
  readonly rules: RuleSet
  /** Undefined if the guard has no policies. */
  readonly policies: CompiledPolicySet | undefined
  /** Identifies the content of the policies. */
  readonly revision: string | undefined
  /** False if there are no rules, and a rule for every authenticated caller is used instead. Default: true. */
  readonly hasOwnRules?: boolean
}

/** Rules and policies, and until when they are enforced. */
export interface Stage {
  /** Epoch milliseconds. */
  readonly until: number
  readonly layers: Layers
  /** Does not know methods that only rules or policies in audit mode name, so that the others do not allow them. */
  readonly parseTarget: TargetParser
}

/**
 * The enforced rules and policies of one revision. Those in audit mode are left out until their audit ends, so
 * enforcement changes at these times without a restart.
 */
export class LayersInForce {
  /** All rules and policies, as they are enforced once every audit has ended. */
  readonly full: Layers
  readonly revision: string | undefined
  readonly hasOwnRules: boolean
  /** True if a policy reads headers, the host, the port or addresses. */
  readonly readsFacts: boolean
  /** True if allowed requests may have to be reported: something is in audit mode, or a policy is for emergencies. */
  readonly reportsAllowed: boolean
  /** Parses targets for the methods that the enforced rules and policies name. */
  readonly parseTarget: TargetParser
  // In chronological order.
  readonly #stages: readonly Stage[]

  /**
   * Creates the layers. `stages` are enforced before the audits end. Default: built at once.
   *
   * @throws {ConfigurationError} as `buildStages` does
   */
  constructor(
    { rules, policies, revision, hasOwnRules = true }: DecisionInput,
    stages: readonly Stage[] = buildAtOnce({ rules, policies }),
  ) {
    this.full = Object.freeze({ rules, policies })
    this.revision = revision
    this.hasOwnRules = hasOwnRules
    this.readsFacts = policies?.readsFacts === true
    this.#stages = stages
    this.reportsAllowed = stages.length > 0 || policies?.hasBreakGlass === true
    const parse = createParser(this.full)
    this.parseTarget =
      stages.length === 0 ? parse : (request, ...more) => (this.#stage()?.parseTarget ?? parse)(request, ...more)
  }

  /** True if a rule or a policy was in audit mode when this was created. */
  get hasAudited(): boolean {
    return this.#stages.length > 0
  }

  /** Returns the layers that are enforced now. Reads the clock only if a rule or policy was in audit mode. */
  current(): Layers {
    return this.#stage()?.layers ?? this.full
  }

  #stage(): Stage | undefined {
    if (this.#stages.length === 0) return undefined
    const now = Date.now()
    return this.#stages.find(({ until }) => now < until)
  }

  /** Returns the layers that are enforced now or later. */
  all(): readonly Layers[] {
    const now = Date.now()
    return [...this.#stages.filter(({ until }) => now < until).map(({ layers }) => layers), this.full]
  }

  /** Describes what decides in place of a rule in audit mode. This can differ for each of its methods. */
  describeNextRule({ pattern, methods }: CompiledRule): string {
    const { rules } = this.current()
    const found = new Set<string>()
    for (const method of methods ?? rules.knownMethods) {
      const next = rules.knownMethods.has(method) ? rules.findCovering(method, pattern, exactSemantics) : undefined
      if (next !== undefined) found.add(describeRule(next))
      else if (rules.knownMethods.has(method)) found.add('several rules, or to none')
      else found.add(`none, because no other rule names ${method}`)
    }
    return [...found].join(', and to ')
  }

  /** Describes what decides in place of a policy in audit mode. */
  describeWithoutPolicy({ action }: CompiledPolicy): string {
    if (action === 'DENY') return 'the other policies and the rules decide the requests that it would deny'
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
    for (const { layers } of this.#stages) layers.rules.checkSemantics(semantics)
  }
}

/**
 * Builds, in steps, the layers that are enforced until the end of each audit, in chronological order. Indexes and
 * checks them for exact matching and for these semantics.
 *
 * @throws {ConfigurationError} `rule_unreachable` or `option_invalid` if a set without the rules and policies in audit
 *   mode is not valid on its own, or if audits end at too many different times
 */
export function* buildStages(
  full: Layers,
  semantics: readonly PathSemantics[],
  now: number,
): Generator<undefined, readonly Stage[]> {
  const stages: Stage[] = []
  for (const until of findEnds(full, now)) {
    const layers = leaveOut(full, until)
    yield
    for (const each of [exactSemantics, ...semantics]) {
      yield* layers.rules.prepare(each)
      if (layers.policies !== undefined) yield* layers.policies.prepare(each)
    }
    stages.push({ until, layers, parseTarget: createParser(layers) })
  }
  return stages
}

function createParser({ rules, policies }: Layers): TargetParser {
  return createTargetParser(new Set([...rules.knownMethods, ...(policies?.methods ?? [])]))
}

function buildAtOnce(full: Layers): readonly Stage[] {
  const steps = buildStages(full, [], Date.now())
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function findEnds({ rules, policies }: Layers, now: number): readonly number[] {
  const ends = new Set<number>()
  for (const { auditUntil = 0 } of [...rules.rules, ...(policies?.policies ?? [])]) {
    if (auditUntil > now) ends.add(auditUntil)
  }
  if (ends.size <= mostEnds) return [...ends].toSorted((one, other) => one - other)
  throw new ConfigurationError(
    'option_invalid',
    `audit: found rules and policies whose audits end at ${ends.size} different times, expected at most ${mostEnds}, because each time changes what is enforced; use the same until for several`,
  )
}

// Each stage has its own indexes, so without a limit, memory would grow with the square of the number of rules.
const mostEnds = 8

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
