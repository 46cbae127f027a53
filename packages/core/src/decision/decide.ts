import type { CompiledRequirement } from './compile-requirement.ts'
import { allowed, createDenial, type Decision } from './denial.ts'
import type { Reading } from './reading.ts'
import type { CheckedRequest, RequirementFailure } from './check-requirement.ts'
import { type CompiledRule, describeRule } from './rule.ts'
import type { RuleSet } from './rules.ts'

/** A request together with how its path is read and what its route demands. */
export interface DecisionRequest extends CheckedRequest {
  /** How the router reads the path. */
  readonly reading: Reading
  /** How another router on the way reads it; what the two would decide differently is denied. */
  readonly alsoReading?: Reading | undefined
  /** What the route itself demands in addition to the rules. */
  readonly routeAllow?: CompiledRequirement | undefined
}

/**
 * Whether a request passes: first the rules, of which the first that matches decides, then what the route demands.
 * Neither gives back what the other took. Never throws, never waits.
 */
export function decide(rules: RuleSet, request: DecisionRequest): Decision {
  const decision = decideRules(rules, request)
  if (decision.effect === 'deny' || request.routeAllow === undefined) return decision
  return decideRequirement(request.routeAllow, request)
}

/**
 * The first half of `decide`, where what the route demands is asked later. A rule with `perRoute()` passes here only
 * when `routeAllow` is known.
 */
export function decideRules(rules: RuleSet, request: DecisionRequest): Decision {
  const rule = rules.find(request.method, request.target, request.reading)
  const decision = decideRule(rule, request)
  if (request.alsoReading === undefined) return decision
  const otherRule = rules.find(request.method, request.target, request.alsoReading)
  if (otherRule === rule || decideRule(otherRule, request).effect === decision.effect) return decision
  return createDenial(
    'ambiguous_reading',
    `routers read the path differently: ${describe(rule)} and ${describe(otherRule)} do not agree`,
  )
}

/** The second half of `decide`: what a route demands. */
export function decideRequirement(requirement: CompiledRequirement, request: CheckedRequest): Decision {
  const failure = requirement.test(request)
  return failure === undefined ? allowed : createDenial(failure.reason, `the route: ${failure.detail}`, about(failure))
}

function decideRule(rule: CompiledRule | undefined, request: DecisionRequest): Decision {
  if (rule === undefined) return createDenial('no_rule', 'no rule covers this method and path')
  if (rule.allow.deferToRoute && request.routeAllow !== undefined) return allowed
  const failure = rule.allow.test(request)
  if (failure === undefined) return allowed
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
