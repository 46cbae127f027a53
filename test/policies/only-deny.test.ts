import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compileRouteRequirement } from '../../packages/authorization/src/compile-requirement.ts'
import { decide, type DecisionRequest, decideRoute } from '../../packages/authorization/src/decide.ts'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decideLayers, type Layers } from '../../packages/authorization/src/policy/decide-policies.ts'
import {
  authenticated,
  denyAll,
  hasAuthority,
  inNamespace,
  permitAll,
} from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { scale } from '../support/long.ts'
import { policySet, request } from './random.ts'
import { local } from './request-of.ts'

const requirements = [authenticated(), denyAll(), hasAuthority('READ'), inNamespace('production'), permitAll()]
const rules = fc
  .array(fc.record({ path: fc.constantFrom('/a', '/a/b', '/b', '/b/*'), allow: fc.constantFrom(...requirements) }), {
    maxLength: 2,
  })
  .map((some) => {
    const first = new Map(some.map((rule) => [rule.path, rule]))
    return compileRules([...first.values(), { path: '/**', allow: permitAll(), allowEncodedSlash: true }], local)
  })
const routeAllow = fc
  .constantFrom(...requirements)
  .map((requirement) => compileRouteRequirement(requirement, { ...local, where: 'route' }))
const denyPolicies = policySet.map((all) =>
  all
    .filter((policy) => 'action' in policy && policy.action === 'DENY')
    .map((policy, index) => ({ ...policy, name: `more${index}` })),
)
const requests = fc.array(request, { minLength: 1, maxLength: 20, size: 'max' })

function isAllowed(layers: Layers, asked: DecisionRequest): boolean {
  const ruling = decideLayers(layers, asked)
  return ruling.effect === 'allow' && decideRoute(layers.rules, ruling, asked).effect === 'allow'
}

test('promise 14: adding a DENY policy or a route’s allow never turns a denial into an allow', () => {
  let narrowed = 0
  fc.assert(
    fc.property(
      policySet,
      denyPolicies,
      rules,
      routeAllow,
      requests,
      fc.boolean(),
      (given, more, ruleSet, allow, asked, isAllowRequired) => {
        const compile = (policies: readonly object[]): Layers => ({
          policies: compilePolicies(policies, { ...local, isAllowRequired }),
          rules: ruleSet,
        })
        const layers = compile(given)
        const restricted = compile([...given, ...more])
        for (const each of asked) {
          const isAllowedBefore = isAllowed(layers, each)
          for (const [stricter, question] of [
            [restricted, each],
            [layers, { ...each, routeAllow: allow }],
            [restricted, { ...each, routeAllow: allow }],
          ] as const) {
            const isAllowedAfter = isAllowed(stricter, question)
            assert.ok(isAllowedBefore || !isAllowedAfter)
            if (isAllowedBefore !== isAllowedAfter) narrowed += 1
          }
          // Policies never allow what the rules deny.
          assert.ok(!isAllowedBefore || decide(ruleSet, each).effect === 'allow')
        }
      },
    ),
    { numRuns: scale(300, 6_000) },
  )
  assert.ok(narrowed > 100)
})
