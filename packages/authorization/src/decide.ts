import type { CompiledRequirement } from './compile-requirement.ts'
import { type Allowed, allowedByRoute, createDenial, type Decision } from './denial.ts'
import { missesCoveringRule } from './empty-parameter.ts'
import { isCutElsewhere, otherSpellings, type PathSemantics } from './path-semantics.ts'
import type { CheckedRequest, RequirementFailure } from './check-requirement.ts'
import { type CompiledRule, describeRule } from './rule.ts'
import type { RuleSet } from './rules.ts'

/** A request, with how its path is read and its route's own requirement. */
export interface DecisionRequest extends CheckedRequest {
  /** How the router reads the path. */
  readonly semantics: PathSemantics
  /**
   * How another router on the same route reads the path. If the two would lead to different decisions, the request is
   * denied.
   */
  readonly otherSemantics?: PathSemantics | undefined
  /** The route's own requirement, applied in addition to the rules. */
  readonly routeAllow?: CompiledRequirement | undefined
  /** True if the last parameter of the route is empty. A rule for that route may not match such a path. */
  readonly hasEmptyParameter?: boolean | undefined
  /** True if the route is not known yet and will be decided later, so that rules may leave the request to it. */
  readonly isRouteToCome?: boolean | undefined
}

/**
 * Decides a request: first by the rules, of which the first match decides, then by the route's own requirement. Neither
 * can allow what the other denies. Never throws and never waits.
 */
export function decide(rules: RuleSet, request: DecisionRequest): Decision {
  const ruling = decideRules(rules, request)
  return ruling.effect === 'deny' ? ruling : decideRoute(rules, ruling, request)
}

/**
 * Decides by the rules alone, as the first half of `decide`; `decideRoute` is the second. A rule with `perRoute()`
 * allows the request only if `routeAllow` is known, or, with `isLeftToRoute`, if the route will be decided later.
 *
 * The path is decided in every form that a router may compare, and denied if the decisions differ.
 */
export function decideRules(rules: RuleSet, request: DecisionRequest): Decision {
  const { method, target, semantics, otherSemantics } = request
  const rule = rules.find(method, target, semantics)
  const decision = decideRule(rule, request)
  if (target.reparsing !== undefined && isSplitElsewhere(request)) {
    if (decision.effect === 'deny') return decision
    return createDenial(
      'ambiguous_path',
      'the decoded path contains whitespace, so Express would split it in the wrong place',
    )
  }
  if (target.decoded === undefined) {
    // Nearly every request returns here, without any allocation.
    if (otherSemantics === undefined || rules.find(method, target, otherSemantics) === rule) return decision
  } else if (decision.effect === 'deny' && decision.reason === 'encoded_delimiter') return decision
  let agreed = decision
  for (const [other, decideOther] of findOtherRules(rules, request, rule)) {
    const second = decideOther(other, request)
    if (second.effect !== decision.effect) return disagree(rule, other)
    if (second.effect === 'allow' && second.isLeftToRoute && rule !== undefined) agreed = rule.leftToRoute
  }
  return agreed
}

/**
 * Returns whether Express, behind a middleware engine, would split the path in the wrong place. Such a request is denied
 * whatever the rules are.
 */
export function isSplitElsewhere({ target, otherSemantics }: DecisionRequest): boolean {
  return target.reparsing !== undefined && otherSemantics !== undefined && isCutElsewhere(target, otherSemantics)
}

type OtherRules = ReadonlyMap<CompiledRule | undefined, typeof decideRule>

// Finds the rules for all other forms of the path, each once.
function findOtherRules(rules: RuleSet, request: DecisionRequest, rule: CompiledRule | undefined): OtherRules {
  const { method, target, semantics, otherSemantics = semantics } = request
  const slashDecoded = target.decoded?.slashDecoded
  const others = new Map<CompiledRule | undefined, typeof decideRule>()
  for (const each of otherSemantics === semantics ? [semantics] : [semantics, otherSemantics]) {
    // Code that decodes an encoded slash after routing also reads the segments after it. A later rule is for paths with
    // more segments; an earlier one restricts the rule that decides.
    const decoded = slashDecoded && rules.find(method, slashDecoded, each)
    if (decoded !== undefined && rule !== undefined && decoded.index < rule.index) others.set(decoded, askRule)
    for (const spelling of [target, ...otherSpellings(target, each)]) {
      others.set(rules.find(method, spelling, each), decideRule)
    }
  }
  others.delete(rule)
  return others
}

function disagree(rule: CompiledRule | undefined, other: CompiledRule | undefined): Decision {
  return createDenial(
    'ambiguous_path',
    `routers may read the path differently: one matches ${describe(rule)}, the other ${describe(other)}`,
  )
}

/**
 * Decides the second half of `decide`, for a request that the rules allow: the route's own requirement, and an empty
 * last parameter. Both default to those of the request.
 */
export function decideRoute(
  rules: RuleSet,
  ruling: Allowed,
  request: DecisionRequest,
  routeAllow: CompiledRequirement | undefined = request.routeAllow,
  hasEmptyParameter: boolean | undefined = request.hasEmptyParameter,
): Decision {
  if (routeAllow !== undefined) {
    const decision = decideRequirement(routeAllow, request)
    if (decision.effect === 'deny') return decision
  }
  if (hasEmptyParameter !== true) return ruling
  const rule = ruling.rule === undefined ? undefined : rules.at(ruling.rule)
  if (!missesCoveringRule(rules, rule, request)) return ruling
  const detail = 'a route parameter is empty, and the rule that covers the route does not match an empty segment'
  return createDenial('no_rule', detail)
}

/** Decides a request by the route's own requirement. */
export function decideRequirement(requirement: CompiledRequirement, request: CheckedRequest): Decision {
  const failure = requirement.test(request)
  return failure === undefined
    ? allowedByRoute
    : createDenial(failure.reason, `the route: ${failure.detail}`, about(failure))
}

function decideRule(rule: CompiledRule | undefined, request: DecisionRequest): Decision {
  if (request.target.decoded?.slashDecoded !== undefined && rule?.allowEncodedSlash !== true) {
    return createDenial(
      'encoded_delimiter',
      'found an encoded slash, but the matching rule does not set allowEncodedSlash',
    )
  }
  return askRule(rule, request)
}

function askRule(rule: CompiledRule | undefined, request: DecisionRequest): Decision {
  if (rule === undefined) return createDenial('no_rule', 'no rule covers this method and path')
  if (rule.allow.deferToRoute) {
    if (request.routeAllow !== undefined) return rule.allowed
    if (request.isRouteToCome === true) return rule.leftToRoute
  }
  const failure = rule.allow.test(request)
  if (failure === undefined) return rule.allowed
  return createDenial(failure.reason, `${describeRule(rule)}: ${failure.detail}`, {
    rule: rule.index,
    ...about(failure),
  })
}

function about({ missing }: RequirementFailure): { readonly missing?: readonly string[] } {
  return missing === undefined ? {} : { missing }
}

function describe(rule: CompiledRule | undefined): string {
  return rule === undefined ? 'no rule' : describeRule(rule)
}
