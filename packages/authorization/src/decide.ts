import type { CompiledRequirement } from './compile-requirement.ts'
import { type Allowed, allowedByRoute, createDenial, type Decision } from './denial.ts'
import { missesCoveringRule } from './empty-parameter.ts'
import { isCutElsewhere, otherSpellings, type PathSemantics } from './path-semantics.ts'
import type { CheckedRequest, RequirementFailure } from './check-requirement.ts'
import { type CompiledRule, describeRule } from './rule.ts'
import type { RuleSet } from './rules.ts'

/** A request together with how its path is read and what its route demands. */
export interface DecisionRequest extends CheckedRequest {
  /** How the router reads the path. */
  readonly semantics: PathSemantics
  /** How another router on the way reads it; what the two would decide differently is denied. */
  readonly otherSemantics?: PathSemantics | undefined
  /** What the route itself demands in addition to the rules. */
  readonly routeAllow?: CompiledRequirement | undefined
  /** Whether the last parameter of the route is empty, which a rule for that route may not match. */
  readonly hasEmptyParameter?: boolean | undefined
  /** Whether the route is not known yet and decides afterwards, so that rules may leave the request to it. */
  readonly isRouteToCome?: boolean | undefined
}

/**
 * Whether a request passes: first the rules, of which the first that matches decides, then what the route demands.
 * Neither gives back what the other took. Never throws, never waits.
 */
export function decide(rules: RuleSet, request: DecisionRequest): Decision {
  const ruling = decideRules(rules, request)
  return ruling.effect === 'deny' ? ruling : decideRoute(rules, ruling, request)
}

/**
 * The first half of `decide`, where what the route demands is asked later. A rule with `perRoute()` passes here only
 * when `routeAllow` is known, or with `isLeftToRoute` when it is to come.
 *
 * The path is decided in every form in which a router on the way may compare it, and denied where they do not agree.
 */
export function decideRules(rules: RuleSet, request: DecisionRequest): Decision {
  const { method, target, semantics, otherSemantics } = request
  const rule = rules.find(method, target, semantics)
  const decision = decideRule(rule, request)
  if (target.reparsing !== undefined && otherSemantics !== undefined && isCutElsewhere(target, otherSemantics)) {
    if (decision.effect === 'deny') return decision
    return createDenial('ambiguous_path', 'Express would cut the path in the wrong place: decoded, it has whitespace')
  }
  if (target.decoded === undefined) {
    // Nearly every request ends here, and nothing is allocated for it.
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

type OtherRules = ReadonlyMap<CompiledRule | undefined, typeof decideRule>

// The rules of all other forms of the path, each once.
function findOtherRules(rules: RuleSet, request: DecisionRequest, rule: CompiledRule | undefined): OtherRules {
  const { method, target, semantics, otherSemantics = semantics } = request
  const slashDecoded = target.decoded?.slashDecoded
  const others = new Map<CompiledRule | undefined, typeof decideRule>()
  for (const each of otherSemantics === semantics ? [semantics] : [semantics, otherSemantics]) {
    // What decodes an encoded slash after the router finds the segments behind it. A later rule is for paths of more
    // segments; an earlier one takes something out of the rule that decides.
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
    `routers read the path differently: ${describe(rule)} and ${describe(other)} do not agree`,
  )
}

/** The second half of `decide`, for a request that rules let pass: what its route demands, and what it leaves empty. */
export function decideRoute(rules: RuleSet, ruling: Allowed, request: DecisionRequest): Decision {
  const { routeAllow, hasEmptyParameter } = request
  if (routeAllow !== undefined) {
    const decision = decideRequirement(routeAllow, request)
    if (decision.effect === 'deny') return decision
  }
  const rule = ruling.rule === undefined ? undefined : rules.rules[ruling.rule]
  if (hasEmptyParameter !== true || !missesCoveringRule(rules, rule, request)) return ruling
  const detail = 'a parameter of the route is empty, which the rule that covers the route does not match'
  return createDenial('no_rule', detail)
}

/** What a requirement demands that a route has. */
export function decideRequirement(requirement: CompiledRequirement, request: CheckedRequest): Decision {
  const failure = requirement.test(request)
  return failure === undefined
    ? allowedByRoute
    : createDenial(failure.reason, `the route: ${failure.detail}`, about(failure))
}

function decideRule(rule: CompiledRule | undefined, request: DecisionRequest): Decision {
  if (request.target.decoded?.slashDecoded !== undefined && rule?.allowEncodedSlash !== true) {
    return createDenial('encoded_delimiter', 'found an encoded slash, and the rule for it has no allowEncodedSlash')
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
