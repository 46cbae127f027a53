import { compileRequirement, type CompiledRequirement } from '../compile-requirement.ts'
import { type DecisionRequest, decideRoute, decideRules } from '../decide.ts'
import { parsePlainTarget } from '../decide-path.ts'
import type { Decision } from '../denial.ts'
import { describeRequirement } from '../describe-requirement.ts'
import type { PathSemantics } from '../path-semantics.ts'
import type { PossibleCallers } from '../possible-callers.ts'
import type { Principal } from '../principal.ts'
import type { Requirement } from '../requirement.ts'
import { describeRule } from '../rule.ts'
import { RuleSet } from '../rules.ts'
import type { MatrixCell } from './access-matrix.ts'
import type { MatrixColumn } from './matrix-columns.ts'

/** What decides the cells of a matrix. */
export interface CellContext {
  readonly layers: { readonly rules: RuleSet }
  readonly callers: PossibleCallers
  readonly semantics: PathSemantics
  readonly hasAuthorizer: boolean
}

/**
 * Decides cells. What is not known before a request arrives is decided twice: so that it denies, and so that it allows.
 * If both agree, the cell does not depend on it.
 */
export class CellDecider {
  readonly #context: CellContext
  readonly #denying: RuleSet
  readonly #allowing: RuleSet

  constructor(context: CellContext) {
    this.#context = context
    this.#denying = answerCustom(context, false)
    this.#allowing = answerCustom(context, true)
  }

  /** Never throws. */
  decide(principal: Principal | null | undefined, { route, allow }: MatrixColumn): MatrixCell {
    const { layers, semantics, hasAuthorizer } = this.#context
    if (principal === undefined) return createCell('deny', 'the guard does not authenticate this caller')
    const { method, path } = route.example
    const target = parsePlainTarget(layers.rules, method, path)
    if (!target.accepted) return createCell('deny', `${target.reason}: ${target.detail}`)
    const request = { principal, method, target, semantics, message: { headers: {} } }
    const best = this.#ask(this.#allowing, request, allow, true)
    if (best.effect === 'deny') return createCell('deny', `${best.reason}: ${best.detail}`, best)
    const rule = best.rule === undefined ? undefined : layers.rules.at(best.rule)
    const demands = [
      ...(rule === undefined ? [] : [`${describeRule(rule)} requires ${describeRequirement(rule.allow.source)}`]),
      ...(allow === undefined ? [] : [`the route requires ${describeRequirement(allow.source)}`]),
    ].join('; ')
    const worst = this.#ask(this.#denying, request, allow, false)
    if (worst.effect === 'deny') return createCell('depends', `${demands}`, best)
    if (best.isLeftToRoute) return createCell('depends', `${demands}, and the allow of the route is not known`, best)
    if (hasAuthorizer) return createCell('depends', `${demands}; then the authorizer decides`, best)
    return createCell('allow', demands, best)
  }

  #ask(
    rules: RuleSet,
    request: Omit<DecisionRequest, 'routeAllow' | 'isRouteToCome'>,
    allow: CompiledRequirement | undefined,
    answer: boolean,
  ): Decision {
    const routeAllow = allow && this.#answerRoute(allow, answer)
    const asked: DecisionRequest = { ...request, routeAllow, isRouteToCome: routeAllow === undefined }
    const ruling = decideRules(rules, asked)
    return ruling.effect === 'deny' ? ruling : decideRoute(rules, ruling, asked)
  }

  #answerRoute(allow: CompiledRequirement, answer: boolean): CompiledRequirement {
    return hasCustom(allow.source) ? compileAnswered(allow.source, answer, this.#context.callers) : allow
  }
}

function createCell(
  effect: MatrixCell['effect'],
  because: string,
  { rule, policy }: { readonly rule?: number; readonly policy?: string } = {},
): MatrixCell {
  return Object.freeze({
    effect,
    because,
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
  })
}

/** Returns the rules with a fixed answer of every custom requirement, whose function reads what is not known yet. */
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
  return compileRequirement(replaceCustom(source, answer), { where: 'accessMatrix', localTrustDomain, callers })
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
