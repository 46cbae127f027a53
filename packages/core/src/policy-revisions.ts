import { createHash } from 'node:crypto'
import { setImmediate as pause } from 'node:timers/promises'
import {
  authenticated,
  compilePolicies,
  compilePoliciesInTurns,
  compileRules,
  compileRulesInTurns,
  describeRule,
  type PathSemantics,
  type PolicySet,
  type PolicySource,
  type RequirementContext,
  type RuleSet,
  runInTurns,
  type Turns,
} from '@countersign/authorization'
import { ConfigurationError, CountersignError } from '@countersign/spiffe'
import { describeThrown, isCallable, isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { PolicyEvent } from './events.ts'
import { buildStages, LayersInForce } from './layers-in-force.ts'

/** The configuration that policies are compiled with. */
export interface PolicyContext extends Omit<RequirementContext, 'where'> {
  /** The rules of `createGuard`. Undefined if it was given none. */
  readonly rules: RuleSet | undefined
}

/** A report of `PolicyRevisions`: an event without its time and type. */
export type PolicyReport = Omit<PolicyEvent, 'type' | 'at'>

/**
 * Holds the rules and policies of a guard. A source replaces them as a whole. A request keeps the revision it began
 * with, and an invalid update has no effect.
 */
export class PolicyRevisions {
  /** Replaced at each update, so read it once for each request. */
  latest: LayersInForce
  readonly #context: PolicyContext
  readonly #source: PolicySource | undefined
  readonly #semantics = new Set<PathSemantics>()
  #onChange: (report: PolicyReport) => void = () => undefined
  #compiling: PolicySet | undefined
  #refusal: string | undefined

  /**
   * @param policies a set, a source of sets, or undefined
   * @throws {ConfigurationError} if the first set is invalid
   */
  constructor(policies: unknown, context: PolicyContext) {
    this.#context = context
    if (policies === undefined) {
      const rules = context.rules ?? refuseValue('createGuard: rules', undefined, 'rules or policies')
      this.latest = new LayersInForce({ rules, policies: undefined, revision: undefined })
      return
    }
    this.#source = isSource(policies) ? policies : undefined
    this.latest = compileSet(isSource(policies) ? policies.current : policies, context)
  }

  /** True if a policy set is configured, so that rules and policies may change. */
  get hasPolicies(): boolean {
    return this.latest.revision !== undefined
  }

  /** Follows the source, and calls `onChange` after each update and for each notice of the source. */
  follow(onChange: (report: PolicyReport) => void): void {
    this.#onChange = onChange
    this.#source?.onUpdate(() => void this.#update())
    this.#source?.onNotice(({ outcome, detail, code }) => {
      onChange({ outcome, detail, ...this.#about(), ...(code !== undefined && { code }) })
    })
  }

  /** Describes the revision in use. */
  describe(): PolicyReport {
    const { rules, policies } = this.latest.full
    const policyCount = count(policies?.policies.length ?? 0, 'policy', 'policies')
    // The default rule is not counted.
    const ruleCount = this.latest.hasOwnRules ? ` and ${count(rules.rules.length, 'rule', 'rules')}` : ', without rules'
    const detail = `found ${policyCount}${ruleCount}`
    return { outcome: 'loaded', detail, ...this.#about() }
  }

  /**
   * Checks the rules, and those of each later update, for the semantics of a router.
   *
   * @throws {ConfigurationError} `rule_unreachable`
   */
  checkSemantics(semantics: PathSemantics): void {
    this.latest.checkSemantics(semantics)
    this.#semantics.add(semantics)
  }

  async #update(): Promise<void> {
    const { current } = this.#source ?? {}
    // A newer set is compiled once the running compilation ends.
    if (current === undefined || this.#compiling !== undefined) return
    this.#compiling = current
    try {
      const compiled = await compileSetInTurns(current, this.#context, [...this.#semantics])
      this.#replace(compiled)
    } catch (error) {
      this.#refuse(error)
    }
    this.#compiling = undefined
    if (this.#source?.current !== current) await this.#update()
  }

  #replace(compiled: LayersInForce): void {
    const wasRefused = this.#refusal !== undefined
    this.#refusal = undefined
    this.latest = compiled
    if (wasRefused) this.#onChange({ outcome: 'recovered', detail: 'the policies are valid again', ...this.#about() })
    this.#onChange(this.describe())
  }

  #refuse(error: unknown): void {
    const detail = describeThrown(error)
    if (this.#refusal === detail) return
    this.#refusal = detail
    const code: Pick<PolicyReport, 'code'> = error instanceof CountersignError ? { code: String(error.code) } : {}
    const remedy = 'the last valid revision stays in use'
    this.#onChange({ outcome: 'refused', detail: `${detail}; ${remedy}`, ...this.#about(), ...code })
  }

  #about(): Pick<PolicyReport, 'revision'> {
    const { revision } = this.latest
    return revision === undefined ? {} : { revision }
  }
}

/**
 * Compiles a policy set synchronously, at startup.
 *
 * @throws {ConfigurationError} if it is invalid
 */
function compileSet(input: unknown, context: PolicyContext): LayersInForce {
  const { rules, policies, revision, isAllowRequired } = parseSet(input, context)
  const compiled =
    rules === undefined
      ? outsideSet(context)
      : refuseRoutes(compileRules(rules, { ...context, comparesSegments: true }))
  const compiledPolicies = compilePolicies(policies, { ...context, isAllowRequired })
  return new LayersInForce({
    rules: compiled,
    policies: compiledPolicies,
    revision,
    hasOwnRules: !isAllowRequired,
  })
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

// Takes turns with requests, and checks the semantics of routers that are already known.
async function compileSetInTurns(
  input: unknown,
  context: PolicyContext,
  semantics: readonly PathSemantics[],
): Promise<LayersInForce> {
  const { rules, policies, revision, isAllowRequired } = parseSet(input, context)
  const ofSet = { ...context, comparesSegments: true }
  const compiled =
    rules === undefined ? outsideSet(context) : refuseRoutes(await compileRulesInTurns(rules, ofSet, turns, semantics))
  const inPolicies = { ...context, isAllowRequired }
  const compiledPolicies = await compilePoliciesInTurns(policies, inPolicies, turns, semantics)
  const full = { rules: compiled, policies: compiledPolicies }
  const stages = await runInTurns(buildStages(full, semantics, Date.now()), turns)
  return new LayersInForce({ ...full, revision, hasOwnRules: !isAllowRequired }, stages)
}

/** Divides work that grows with the number of rules and policies, so that requests are answered in between. */
export const turns: Turns = { now: () => performance.now(), pause }

// The rules that decide if the set has none. Documents never loosen authentication.
function outsideSet(context: PolicyContext): RuleSet {
  return (
    context.rules ??
    compileRules([{ path: '/**', allow: authenticated(), declaredAt: 'the default without rules' }], context)
  )
}

// Which rules defer to routes is known when the application starts, and must not change later.
function refuseRoutes(rules: RuleSet): RuleSet {
  const deferring = rules.rules.find(({ allow }) => allow.deferToRoute)
  if (deferring === undefined) return rules
  const message = `policies: found perRoute() in ${describeRule(deferring)}, expected it only in the rules of createGuard, because routes belong to the application`
  throw new ConfigurationError('rule_invalid', message, { value: deferring.text })
}

interface ParsedSet {
  readonly rules: unknown
  readonly policies: unknown
  readonly revision: string
  /** True if only an ALLOW policy can allow a request, because no rules were given. */
  readonly isAllowRequired: boolean
}

function parseSet(input: unknown, { rules: ofGuard }: PolicyContext): ParsedSet {
  const { rules, policies = [], revision } = parseOptions(input, ['rules', 'policies', 'revision'], 'policies')
  if (rules !== undefined && ofGuard !== undefined) {
    throw new ConfigurationError(
      'option_invalid',
      'policies: found rules in the policy set and in createGuard({ rules }), expected them in one place, because rules depend on their order',
    )
  }
  if (revision !== undefined && (typeof revision !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(revision))) {
    refuseValue('policies.revision', revision, 'text of at most 128 visible ASCII characters')
  }
  const isAllowRequired = rules === undefined && ofGuard === undefined
  return { rules, policies, revision: revision ?? hashContent({ rules, policies }), isAllowRequired }
}

function hashContent(content: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(content, sortKeys)).digest('hex')}`
}

// The order in which keys were written does not matter.
function sortKeys(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

function isSource(value: unknown): value is PolicySource {
  return isRecord(value) && isCallable(value['onUpdate']) && isCallable(value['onNotice']) && 'current' in value
}
