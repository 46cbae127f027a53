import { compileRequirement, type CompiledRequirement } from '../compile-requirement.ts'
import { type DecisionRequest, decideRoute } from '../decide.ts'
import { parsePlainTarget } from '../decide-path.ts'
import type { Decision, Denial } from '../denial.ts'
import { describeRequirement } from '../describe-requirement.ts'
import type { PathSemantics } from '../path-semantics.ts'
import { type CompiledPolicy, describePolicy } from '../policy/compile-policy.ts'
import { decideLayers, findAllowingPolicy, type Layers } from '../policy/decide-policies.ts'
import type { PossibleCallers } from '../possible-callers.ts'
import type { Principal } from '../principal.ts'
import type { Requirement } from '../requirement.ts'
import { describeRule } from '../rule.ts'
import { RuleSet } from '../rules.ts'
import type { MatrixCell } from './access-matrix.ts'
import { listFacts, supposeFacts } from './suppose-facts.ts'

/** The inputs for deciding the cells of a matrix. */
export interface CellContext {
  readonly layers: Layers
  readonly callers: PossibleCallers
  readonly semantics: PathSemantics
  readonly hasAuthorizer: boolean
}

/** A request of which only the caller, the method and the path are known. */
export interface CellQuestion {
  /** Null for anonymous callers. Undefined if the guard would not authenticate the caller. */
  readonly principal: Principal | null | undefined
  readonly method: string
  /** As it would be sent. */
  readonly path: string
  /** The route's own requirement, if it is known. */
  readonly allow: CompiledRequirement | undefined
}

/**
 * Decides cells. If something is only known for a request, the cell is decided twice: with the worst and with the best
 * case for the caller. If both agree, the cell does not depend on it.
 */
export class CellDecider {
  readonly #context: CellContext
  readonly #knownMethods: ReadonlySet<string>
  readonly #worst: Layers
  readonly #best: Layers

  constructor(context: CellContext) {
    const { policies, rules } = context.layers
    this.#context = context
    this.#knownMethods = new Set([...rules.knownMethods, ...(policies?.methods ?? [])])
    this.#worst = { policies, rules: answerCustom(context, false) }
    this.#best = {
      policies: policies && supposeFacts(policies, context.callers.localTrustDomain),
      rules: answerCustom(context, true),
    }
  }

  /** Decides one cell. Never throws. */
  decide({ principal, method, path, allow }: CellQuestion): MatrixCell {
    const { layers, semantics } = this.#context
    if (principal === undefined) return createCell('deny', 'the guard does not authenticate this caller')
    const target = parsePlainTarget(this.#knownMethods, method, path)
    if (!target.accepted) return createCell('deny', `${target.reason}: ${target.detail}`)
    const request = { principal, method, target, semantics, message: { headers: {} } }
    const best = this.#ask(this.#best, request, allow, true)
    if (best.effect === 'deny') return createCell('deny', `${best.reason}: ${best.detail}`, best)
    const worst = this.#ask(this.#worst, request, allow, false)
    const allowing = this.#best.policies && findAllowingPolicy(this.#best.policies, request)
    const rule = best.rule === undefined ? undefined : layers.rules.at(best.rule)
    const about = { rule: best.rule, policy: allowing?.name }
    if (worst.effect === 'deny') return this.#depend(worst, allowing, about, this.#describe(rule, allowing, allow))
    const demands = this.#describe(rule, allowing, allow)
    if (best.isLeftToRoute) return createCell('depends', `${demands}, and the allow of the route is not known`, about)
    if (this.#context.hasAuthorizer) return createCell('depends', `${demands}; then the authorizer decides`, about)
    return createCell('allow', demands, about)
  }

  #ask(
    layers: Layers,
    request: Omit<DecisionRequest, 'routeAllow' | 'isRouteToCome'>,
    allow: CompiledRequirement | undefined,
    answer: boolean,
  ): Decision {
    const routeAllow = allow && this.#answerRoute(allow, answer)
    const asked: DecisionRequest = { ...request, routeAllow, isRouteToCome: routeAllow === undefined }
    const ruling = decideLayers(layers, asked)
    return ruling.effect === 'deny' ? ruling : decideRoute(layers.rules, ruling, asked)
  }

  #depend(worst: Denial, allowing: CompiledPolicy | undefined, about: About, demands: string): MatrixCell {
    if (worst.reason !== 'policy_denied' && worst.reason !== 'no_policy') return createCell('depends', demands, about)
    const isDenied = worst.reason === 'policy_denied'
    const name = isDenied ? worst.policy : allowing?.name
    const policy = this.#context.layers.policies?.policies.find((each) => each.name === name)
    if (policy === undefined) return createCell('depends', demands, about)
    const facts = listFacts(policy.source).join(', ')
    const because = `${describePolicy(policy)} ${isDenied ? 'denies' : 'allows'} it, depending on ${facts}`
    return createCell('depends', because, { ...about, policy: policy.name })
  }

  #describe(
    rule: (Parameters<typeof describeRule>[0] & { readonly allow: CompiledRequirement }) | undefined,
    allowing: CompiledPolicy | undefined,
    allow: CompiledRequirement | undefined,
  ): string {
    return [
      ...(allowing === undefined ? [] : [`${describePolicy(allowing)} allows it`]),
      ...(rule === undefined ? [] : [`${describeRule(rule)} requires ${describeRequirement(rule.allow.source)}`]),
      ...(allow === undefined ? [] : [`the route requires ${describeRequirement(allow.source)}`]),
    ].join('; ')
  }

  #answerRoute(allow: CompiledRequirement, answer: boolean): CompiledRequirement {
    return hasCustom(allow.source) ? compileAnswered(allow.source, answer, this.#context.callers) : allow
  }
}

interface About {
  readonly rule?: number | undefined
  readonly policy?: string | undefined
}

function createCell(effect: MatrixCell['effect'], because: string, { rule, policy }: About = {}): MatrixCell {
  return Object.freeze({
    effect,
    because,
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
  })
}

/** Returns the rules with a fixed answer for every custom requirement, because its function reads a request. */
function answerCustom({ layers: { rules }, callers }: CellContext, answer: boolean): RuleSet {
  if (!rules.rules.some(({ allow }) => hasCustom(allow.source))) return rules
  const answered = rules.rules.map((rule) =>
    hasCustom(rule.allow.source)
      ? Object.freeze({ ...rule, allow: compileAnswered(rule.allow.source, answer, callers) })
      : rule,
  )
  return new RuleSet(Object.freeze(answered), rules.knownMethods)
}

function compileAnswered(source: Requirement, answer: boolean, callers: PossibleCallers): CompiledRequirement {
  const { localTrustDomain } = callers
  // Not checked again against the possible callers: the requirement is the same.
  return compileRequirement(replaceCustom(source, answer), { where: 'accessMatrix', localTrustDomain })
}

function hasCustom(source: Requirement): boolean {
  if ('allOf' in source) return source.allOf.some(hasCustom)
  if ('anyOf' in source) return source.anyOf.some(hasCustom)
  return 'custom' in source
}

function replaceCustom(source: Requirement, answer: boolean): Requirement {
  if ('allOf' in source) return { allOf: source.allOf.map((part) => replaceCustom(part, answer)) }
  if ('anyOf' in source) return { anyOf: source.anyOf.map((part) => replaceCustom(part, answer)) }
  return 'custom' in source ? { custom: { name: source.custom.name, test: () => answer } } : source
}
