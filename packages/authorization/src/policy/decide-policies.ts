import { decideRules, type DecisionRequest } from '../decide.ts'
import { createDenial, type Decision, type Denial } from '../denial.ts'
import { otherSpellings } from '../path-semantics.ts'
import type { RuleSet } from '../rules.ts'
import { type CompiledPolicy, describePolicy } from './compile-policy.ts'
import { listSemantics } from './list-semantics.ts'
import { matchPolicy } from './match-policy.ts'
import type { PolicyKind } from './policy-index.ts'
import type { CompiledPolicySet } from './policy-set.ts'

/** The layers that decide a request before its route and an authorizer. */
export interface Layers {
  /** Undefined if the guard has no policies. */
  readonly policies: CompiledPolicySet | undefined
  readonly rules: RuleSet
}

/**
 * Decides a request by the policies and then by the rules. Neither can allow a request that the other denies. Never
 * throws.
 */
export function decideLayers({ policies, rules }: Layers, request: DecisionRequest): Decision {
  if (policies === undefined) return decideRules(rules, request)
  const verdict = decidePolicies(policies, request)
  return verdict !== undefined && 'effect' in verdict ? verdict : decideRules(rules, request)
}

/**
 * Decides a request by the policies. Returns a denial, or undefined if the policies allow the request. Returns the
 * policy for emergencies if only that policy allows the request. Never throws and never waits.
 *
 * A DENY policy denies if it matches any form of the path that a router or a handler may read. An ALLOW policy has to
 * match every form that a router may compare.
 */
export function decidePolicies(set: CompiledPolicySet, request: DecisionRequest): Denial | CompiledPolicy | undefined {
  const denying = findDenying(set, request)
  if (denying !== undefined) {
    return createDenial('policy_denied', describeDenying(denying, request), { policy: denying.name })
  }
  if (!set.isAllowRequired) return undefined
  const { target, semantics, otherSemantics } = request
  if (set.find('allow', request, target, semantics) !== undefined && isReadOnce(request)) return undefined
  let emergency: CompiledPolicy | undefined
  for (const each of listSemantics(semantics, otherSemantics)) {
    for (const spelling of [target, ...otherSpellings(target, each)]) {
      if (set.find('allow', request, spelling, each) !== undefined) continue
      const used = set.find('breakGlass', request, spelling, each)
      if (used === undefined) return createDenial('no_policy', 'no ALLOW policy matches this request')
      emergency ??= used
    }
  }
  return emergency
}

/** Returns the first DENY policy that matches a request, in any form of its path. */
function findDenying(set: CompiledPolicySet, request: DecisionRequest): CompiledPolicy | undefined {
  const { target, semantics, otherSemantics } = request
  const first = set.find('deny', request, target, semantics)
  if (first !== undefined || isReadOnce(request)) return first
  const { slashDecoded } = target.decoded ?? {}
  for (const each of listSemantics(semantics, otherSemantics)) {
    for (const spelling of [target, ...otherSpellings(target, each), ...(slashDecoded ? [slashDecoded] : [])]) {
      const found = set.find('deny', request, spelling, each)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/**
 * Returns the first ALLOW policy that matches a request as its router reads it, for reports. Prefers an ordinary policy
 * to one for emergencies.
 */
export function findAllowingPolicy(set: CompiledPolicySet, request: DecisionRequest): CompiledPolicy | undefined {
  const { target, semantics } = request
  const find = (kind: PolicyKind): CompiledPolicy | undefined => set.find(kind, request, target, semantics)
  return find('allow') ?? find('breakGlass')
}

// Nearly every path has one form.
function isReadOnce({ target, semantics, otherSemantics }: DecisionRequest): boolean {
  return target.decoded === undefined && (otherSemantics === undefined || otherSemantics === semantics)
}

function describeDenying(policy: CompiledPolicy, request: DecisionRequest): string {
  const denies = `${describePolicy(policy)} denies this request`
  // The policy reads only known values. Comparing all its entries would take longer than the decision.
  if (!policy.readsFacts) return denies
  const { outcome, field, because } = matchPolicy(policy, request)
  return outcome === 'unknown' ? `${denies}, because ${field ?? 'a field'} cannot be compared: ${because}` : denies
}
