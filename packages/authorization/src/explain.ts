import type { Principal } from './principal.ts'
import type { RequestHeaders } from './requirement.ts'
import { type DecisionRequest, decideRoute, decideRules } from './decide.ts'
import { parsePlainTarget } from './decide-path.ts'
import { createDenial, type Decision, type Denial } from './denial.ts'
import { describeRequirement } from './describe-requirement.ts'
import { findNearMisses, type NearMiss } from './near-miss.ts'
import { describeRule } from './rule.ts'
import type { RuleSet } from './rules.ts'

/** A hypothetical request to be explained. */
export interface ExplainRequest extends Omit<DecisionRequest, 'target' | 'message' | 'isRouteToCome'> {
  readonly rules: RuleSet
  /** The target as it would be sent: percent-encoded, with or without a query. */
  readonly path: string
  /** The headers, which only custom requirements read. Default: none. */
  readonly headers?: RequestHeaders
  /** What is known about how the caller is authenticated. Default: what `principal` shows. */
  readonly authentication?: ExplainedAuthentication
}

/** How the caller of a hypothetical request is authenticated. */
export interface ExplainedAuthentication {
  readonly because: string
  /** Set if the request is denied because of its credential. */
  readonly denial?: Denial
  /** Sets what an anonymous caller receives: a denial with a challenge. Default: the denial as it is. */
  readonly challenge?: (denial: Denial) => Denial
}

/** What one layer decided about a request. Layers after one that denies are skipped. */
export interface ExplainedLayer {
  readonly layer: 'target' | 'authentication' | 'rules' | 'route'
  readonly outcome: 'pass' | 'deny' | 'skipped'
  readonly because: string
  /** Rules that do not match but may have been meant to. Only set for the layer `rules`. */
  readonly nearMisses: readonly NearMiss[]
}

/** A decision with the reason of every layer, in the order of evaluation. */
export interface Explanation {
  readonly decision: Decision
  readonly layers: readonly ExplainedLayer[]
  /** Formats the explanation as several lines of text. */
  readonly toString: () => string
}

/** Decides a request with the functions that decide real requests, and explains the decision layer by layer. */
export function explainDecision({ rules, path, headers = {}, authentication, ...rest }: ExplainRequest): Explanation {
  const target = parsePlainTarget(rules, rest.method, path)
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
  const ruling = decideRules(rules, request)
  const layers = [passed, explainAuthentication(request.principal, because), explainRules(rules, request, ruling)]
  if (ruling.effect === 'deny') return explain(challenge(ruling), layers)
  const routed = decideRoute(rules, ruling, request)
  const decision = routed.effect === 'deny' ? challenge(routed) : routed
  const { routeAllow } = request
  if (routeAllow === undefined && decision.effect === 'allow') return explain(decision, layers)
  const demand = `the route requires ${routeAllow === undefined ? 'nothing' : describeRequirement(routeAllow.source)}`
  return explain(decision, [...layers, explainLayer('route', ...outcomeOf(decision, demand))])
}

function explain(decision: Decision, asked: readonly ExplainedLayer[]): Explanation {
  const skipped = order.slice(asked.length).map((layer) => explainLayer(layer, 'skipped', becauseOfSkip(decision)))
  const layers = Object.freeze([...asked, ...skipped])
  return Object.freeze({ decision, layers, toString: () => format(decision, layers) })
}

const order = ['target', 'authentication', 'rules', 'route'] as const

function becauseOfSkip(decision: Decision): string {
  return decision.effect === 'deny' ? 'an earlier layer denied the request' : 'no allow was given for the route'
}

function explainLayer(
  layer: ExplainedLayer['layer'],
  outcome: ExplainedLayer['outcome'],
  because: string,
  nearMisses: readonly NearMiss[] = [],
): ExplainedLayer {
  return Object.freeze({ layer, outcome, because, nearMisses })
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
  const lines = layers.flatMap(({ layer, outcome, because, nearMisses }) => [
    `  ${layer.padEnd(14)}  ${outcome.padEnd(7)}  ${because}`,
    ...nearMisses.map((miss) => `  ${''.padEnd(25)}near miss: ${miss.because}`),
  ])
  return [verdict, ...lines].join('\n')
}
