import type { Principal } from './principal.ts'
import type { RequestHeaders } from './requirement.ts'
import { type DecisionRequest, decideRoute, decideRules } from './decide.ts'
import { parsePlainTarget } from './decide-path.ts'
import { createDenial, type Decision, type Denial } from './denial.ts'
import { describeRequirement } from './describe-requirement.ts'
import { decidePolicies, type Layers } from './policy/decide-policies.ts'
import {
  explainAllowPolicies,
  explainDenyPolicies,
  type ExplainedPolicies,
  type PolicyMiss,
} from './policy/explain-policies.ts'
import { findNearMisses, type NearMiss } from './near-miss.ts'
import { describeRule } from './rule.ts'
import type { RuleSet } from './rules.ts'

/** A hypothetical request to be explained, by rules alone or by all layers. */
export type ExplainRequest = ExplainedRequest &
  ({ readonly rules: RuleSet; readonly layers?: undefined } | { readonly layers: Layers; readonly rules?: undefined })

/** A hypothetical request. */
export interface ExplainedRequest extends Omit<DecisionRequest, 'target' | 'message' | 'isRouteToCome'> {
  /** The target as it would be sent: percent-encoded, with or without a query. */
  readonly path: string
  /** The headers, which only custom requirements read. Default: none. */
  readonly headers?: RequestHeaders
  /** What is known about how the caller is authenticated. Default: what `principal` shows. */
  readonly authentication?: ExplainedAuthentication
  /** The name of the guard's authorizer, which explanations do not call. Default: the guard has none. */
  readonly authorizer?: string | undefined
}

/** How the caller of a hypothetical request is authenticated. */
export interface ExplainedAuthentication {
  readonly because: string
  /** Set if the request is denied because of its credential. */
  readonly denial?: Denial
  /** Adds a challenge to the denial of an anonymous caller. Default: the denial is unchanged. */
  readonly challenge?: (denial: Denial) => Denial
}

/** What one layer decided about a request. Layers after one that denies are skipped. */
export interface ExplainedLayer {
  /** The layers of policies and of an authorizer are present only if the guard has them. */
  readonly layer: 'target' | 'authentication' | 'deny-policies' | 'allow-policies' | 'rules' | 'route' | 'authorizer'
  readonly outcome: 'pass' | 'deny' | 'skipped'
  readonly because: string
  /** Rules that do not match but may have been meant to. Only set for the layer `rules`. */
  readonly nearMisses: readonly NearMiss[]
  /** The name of the policy that decided, in a layer of policies. */
  readonly policy?: string
  /** Policies that do not match but come close. Only set for the layers of policies. */
  readonly policyMisses: readonly PolicyMiss[]
}

/** A decision with the reason of every layer, in the order of evaluation. */
export interface Explanation {
  readonly decision: Decision
  readonly layers: readonly ExplainedLayer[]
  /** Formats the explanation as several lines of text. */
  readonly toString: () => string
}

/** Decides a request with the functions that decide real requests, and explains the decision layer by layer. */
export function explainDecision(question: ExplainRequest): Explanation {
  const { rules: onlyRules, layers: given, path, headers = {}, authentication, authorizer, ...rest } = question
  const { policies, rules } = given ?? { policies: undefined, rules: onlyRules }
  const explain = createExplain(policies !== undefined, authorizer)
  const knownMethods = new Set([...rules.knownMethods, ...(policies?.methods ?? [])])
  const target = parsePlainTarget(knownMethods, rest.method, path)
  if (!target.accepted) {
    const because = `${target.reason}: ${target.detail}`
    return explain(createDenial(target.reason, target.detail), [explainLayer('target', 'deny', because)])
  }
  const request: DecisionRequest = { ...rest, target, message: { headers } }
  const passed = explainLayer('target', 'pass', `the path is ${target.path}`)
  const { denial, because = '', challenge = (denied: Denial) => denied } = authentication ?? {}
  if (denial !== undefined) {
    const detail = `${because}; ${denial.reason}: ${denial.detail}`
    return explain(denial, [passed, explainLayer('authentication', 'deny', detail)])
  }
  const asked = [passed, explainAuthentication(request.principal, because)]
  if (policies !== undefined) {
    const verdict = decidePolicies(policies, request)
    const denied = verdict !== undefined && 'effect' in verdict ? verdict : undefined
    asked.push(explainPolicies('deny-policies', explainDenyPolicies(policies, request, denied)))
    if (denied?.policy === undefined) {
      asked.push(explainPolicies('allow-policies', explainAllowPolicies(policies, request, denied)))
    }
    if (denied !== undefined) return explain(challenge(denied), asked)
  }
  const ruling = decideRules(rules, request)
  const layers = [...asked, explainRules(rules, request, ruling)]
  if (ruling.effect === 'deny') return explain(challenge(ruling), layers)
  const routed = decideRoute(rules, ruling, request)
  const decision = routed.effect === 'deny' ? challenge(routed) : routed
  const { routeAllow } = request
  if (routeAllow === undefined && decision.effect === 'allow') return explain(decision, layers)
  const demand = `the route requires ${routeAllow === undefined ? 'nothing' : describeRequirement(routeAllow.source)}`
  return explain(decision, [...layers, explainLayer('route', ...outcomeOf(decision, demand))])
}

type Explain = (decision: Decision, asked: readonly ExplainedLayer[]) => Explanation

/** Creates the function that adds the layers that were not evaluated. */
function createExplain(hasPolicies: boolean, authorizer: string | undefined): Explain {
  const order: readonly ExplainedLayer['layer'][] = [
    'target',
    'authentication',
    ...(hasPolicies ? (['deny-policies', 'allow-policies'] as const) : []),
    'rules',
    'route',
    ...(authorizer === undefined ? [] : (['authorizer'] as const)),
  ]
  return (decision, asked) => {
    const skipped = order
      .slice(asked.length)
      .map((layer) => explainLayer(layer, 'skipped', becauseOfSkip(decision, layer, authorizer)))
    const layers = Object.freeze([...asked, ...skipped])
    return Object.freeze({ decision, layers, toString: () => format(decision, layers) })
  }
}

function becauseOfSkip(decision: Decision, layer: ExplainedLayer['layer'], authorizer: string = ''): string {
  if (decision.effect === 'deny') return 'an earlier layer denied the request'
  if (layer === 'authorizer') return `the authorizer '${authorizer}' is not asked for an explanation, and may deny`
  return 'no allow was given for the route'
}

function explainPolicies(
  layer: 'deny-policies' | 'allow-policies',
  { outcome, because, policy, misses }: ExplainedPolicies,
): ExplainedLayer {
  return Object.freeze({
    layer,
    outcome,
    because,
    nearMisses: [],
    ...(policy !== undefined && { policy }),
    policyMisses: misses,
  })
}
function explainLayer(
  layer: ExplainedLayer['layer'],
  outcome: ExplainedLayer['outcome'],
  because: string,
  nearMisses: readonly NearMiss[] = [],
): ExplainedLayer {
  return Object.freeze({ layer, outcome, because, nearMisses, policyMisses: [] })
}

function explainAuthentication(principal: Principal | null, because: string): ExplainedLayer {
  if (principal === null) {
    return explainLayer('authentication', 'skipped', because === '' ? 'the caller is not authenticated' : because)
  }
  const authorities = principal.authorities.join(', ') || 'none'
  return explainLayer(
    'authentication',
    'pass',
    `the caller is ${principal.name}; authorities: ${authorities}${because === '' ? '' : `; ${because}`}`,
  )
}

function explainRules(rules: RuleSet, request: DecisionRequest, ruling: Decision): ExplainedLayer {
  const rule = rules.find(request.method, request.target, request.semantics)
  const demand = rule && `${describeRule(rule)} matches first and requires ${describeRequirement(rule.allow.source)}`
  const nearMisses = findNearMisses(rules.rules.slice(0, rule?.index), request)
  return explainLayer('rules', ...outcomeOf(ruling, demand ?? 'no rule matches'), nearMisses)
}

function outcomeOf(decision: Decision, demand: string): readonly ['pass' | 'deny', string] {
  if (decision.effect === 'allow') return ['pass', demand]
  return ['deny', `${demand}; ${decision.reason}: ${decision.detail}`]
}

function format(decision: Decision, layers: readonly ExplainedLayer[]): string {
  const verdict =
    decision.effect === 'allow' ? 'allowed' : `denied: ${decision.status} ${decision.code} (${decision.reason})`
  const lines = layers.flatMap(({ layer, outcome, because, nearMisses, policyMisses }) => [
    `  ${layer.padEnd(14)}  ${outcome.padEnd(7)}  ${because}`,
    ...[...nearMisses, ...policyMisses].map((miss) => `  ${''.padEnd(25)}near miss: ${miss.because}`),
  ])
  return [verdict, ...lines].join('\n')
}
