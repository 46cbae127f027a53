import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decidePolicies, findAllowingPolicy } from '../../packages/authorization/src/policy/decide-policies.ts'
import { parsePolicies } from '../../packages/authorization/src/policy/parse-policies.ts'
import { scale } from '../support/long.ts'
import { decideNaively, listViews, matchNaively } from './naive.ts'
import { policySet, request } from './random.ts'
import { local } from './request-of.ts'

// Twenty for each set on average.
const requests = fc.array(request, { minLength: 1, maxLength: 40, size: 'max' })

test('decides as a loop over all policies does, for random sets and requests', () => {
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(policySet, requests, fc.boolean(), (given, asked, isAllowRequired) => {
      const policies = parsePolicies(given)
      const set = compilePolicies(policies, { ...local, isAllowRequired })
      for (const each of asked) {
        const verdict = decidePolicies(set, each)
        const found =
          verdict === undefined ? 'pass' : 'effect' in verdict ? verdict.reason : verdict.isBreakGlass && 'emergency'
        assert.equal(found, decideNaively(policies, each, isAllowRequired))
        outcomes.set(found, (outcomes.get(found) ?? 0) + 1)
        const [view] = listViews(each)
        assert.ok(view)
        const matching = policies.filter(
          (policy) => policy.action === 'ALLOW' && matchNaively(policy, each, view) === 'yes',
        )
        const expected = matching.find(({ breakGlass }) => breakGlass !== true) ?? matching[0]
        assert.equal(findAllowingPolicy(set, each)?.name, expected?.name)
        const denying = policies.find((policy) => policy.action === 'DENY' && matchNaively(policy, each, view) !== 'no')
        if (denying !== undefined) {
          assert.equal(verdict && 'effect' in verdict ? verdict.policy : undefined, denying.name)
        }
      }
    }),
    { numRuns: scale(800, 6_000) },
  )
  // The random sets would be of no use if nearly all requests had one outcome.
  const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0)
  for (const outcome of ['pass', 'policy_denied', 'no_policy']) {
    assert.ok((outcomes.get(outcome) ?? 0) > total / 20, JSON.stringify([...outcomes]))
  }
  assert.ok((outcomes.get('emergency') ?? 0) > 0)
})
