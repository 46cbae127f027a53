import type { DecisionRequest } from '../decide.ts'
import type { Denial } from '../denial.ts'
import { describePolicy } from './compile-policy.ts'
import { findAllowingPolicy } from './decide-policies.ts'
import { matchPolicy } from './match-policy.ts'
import type { Policy } from './policy.ts'
import type { CompiledPolicySet } from './policy-set.ts'

/** A policy that nearly matches a request. */
export interface PolicyMiss {
  /** The name of the policy. */
  readonly policy: string
  /** The first field that does not match, such as `from[0].callers`. */
  readonly field: string
  readonly because: string
}

/** The part of an explanation about the DENY or the ALLOW policies. */
export interface ExplainedPolicies {
  readonly outcome: 'pass' | 'deny' | 'skipped'
  readonly because: string
  /** The name of the policy that decided. */
  readonly policy?: string
  readonly misses: readonly PolicyMiss[]
}

/** Explains what the DENY policies decided. `denial` is their denial, if they denied the request. */
export function explainDenyPolicies(
  set: CompiledPolicySet,
  request: DecisionRequest,
  denial: Denial | undefined,
): ExplainedPolicies {
  if (denial?.policy !== undefined) {
    return { outcome: 'deny', because: `${denial.reason}: ${denial.detail}`, policy: denial.policy, misses: [] }
  }
  const count = set.policies.filter(({ action }) => action === 'DENY').length
  const because = count === 0 ? 'there is no DENY policy' : `none of ${count} DENY policies matches`
  return { outcome: 'pass', because, misses: findMisses(set, 'DENY', request) }
}

/** Explains what the ALLOW policies decided. */
export function explainAllowPolicies(
  set: CompiledPolicySet,
  request: DecisionRequest,
  denial: Denial | undefined,
): ExplainedPolicies {
  if (denial !== undefined) {
    const misses = findMisses(set, 'ALLOW', request)
    return { outcome: 'deny', because: `${denial.reason}: ${denial.detail}`, misses }
  }
  if (!set.isAllowRequired)
    return { outcome: 'skipped', because: 'there is no ALLOW policy, so the rules decide', misses: [] }
  const allowing = findAllowingPolicy(set, request)
  if (allowing === undefined) return { outcome: 'pass', because: 'ALLOW policies match', misses: [] }
  const use = allowing.isBreakGlass ? ' in an emergency, which is reported' : ''
  const because = `${describePolicy(allowing)} allows this request${use}`
  return { outcome: 'pass', because, policy: allowing.name, misses: [] }
}

// The policies that differ in the fewest fields. A DENY policy counts only if it differs in a single field.
function findMisses(set: CompiledPolicySet, action: Policy['action'], request: DecisionRequest): readonly PolicyMiss[] {
  let least = action === 'DENY' ? 1 : Number.POSITIVE_INFINITY
  let misses: PolicyMiss[] = []
  for (const policy of set.policies) {
    if (policy.action !== action) continue
    const { field, because, differences } = matchPolicy(policy, request)
    if (field === undefined || differences > least) continue
    if (differences < least) misses = []
    least = differences
    if (misses.length < most) {
      misses.push(
        Object.freeze({ policy: policy.name, field, because: `${describePolicy(policy)} ${field}: ${because}` }),
      )
    }
  }
  return Object.freeze(misses)
}

const most = 10
