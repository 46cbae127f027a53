import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decidePolicies } from '../../packages/authorization/src/policy/decide-policies.ts'
import { matchPolicy, type PolicyMatch } from '../../packages/authorization/src/policy/match-policy.ts'
import type { Policy } from '../../packages/authorization/src/policy/policy.ts'
import { scale } from '../support/long.ts'
import { policySet, request } from './random.ts'
import { type Asked, factsOf, local, requestOf, workload } from './request-of.ts'

test('agrees with the index about every single policy', () => {
  const outcomes = new Map<string, number>()
  const requests = fc.array(request, { minLength: 1, maxLength: 20, size: 'max' })
  fc.assert(
    fc.property(policySet, requests, (given, asked) => {
      for (const policy of given) {
        const set = compilePolicies([policy], { ...local, isAllowRequired: true })
        const [compiled] = set.policies
        assert.ok(compiled)
        for (const each of asked) {
          const { outcome, field, differences } = matchPolicy(compiled, each)
          const verdict = decidePolicies(set, each)
          const isDenied = verdict !== undefined && 'effect' in verdict && verdict.reason === 'policy_denied'
          const isAllowed = verdict === undefined || !('effect' in verdict)
          if (compiled.action === 'DENY') assert.equal(isDenied, outcome !== 'no-match')
          else assert.equal(isAllowed, outcome === 'match')
          assert.equal(field === undefined, outcome === 'match')
          assert.equal(differences === 0, outcome === 'match')
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        }
      }
    }),
    { numRuns: scale(250, 5_000) },
  )
  assert.ok(
    [...outcomes.values()].every((count) => count > 30),
    JSON.stringify([...outcomes]),
  )
  assert.equal(outcomes.size, 3)
})

const coreApi = workload('spiffe://saas.example/ns/production/sa/core-api', { authorities: ['READ'] })

function match(policy: Partial<Policy>, asked: Asked = {}): PolicyMatch {
  const [compiled] = compilePolicies([{ name: 'one', action: 'ALLOW', ...policy }], local).policies
  assert.ok(compiled)
  return matchPolicy(compiled, requestOf({ principal: coreApi, ...asked }))
}

test('names the first field that does not match', () => {
  const cases: readonly (readonly [policy: Partial<Policy>, asked: Asked, field: string, because: RegExp])[] = [
    [
      { from: [{ callers: ['spiffe://saas.example/x'] }] },
      {},
      'from[0].callers',
      /core-api.*spiffe:\/\/saas\.example\/x/,
    ],
    [{ from: [{ namespaces: ['staging'] }] }, {}, 'from[0].namespaces', /staging/],
    [{ from: [{ notAuthorities: ['READ'] }] }, {}, 'from[0].notAuthorities', /none of READ/],
    [{ from: [{ authorities: ['READ'] }] }, { principal: null }, 'from[0].credentials', /anonymous/],
    [{ from: [{ anonymous: true }] }, {}, 'from[0].anonymous', /without a credential/],
    [{ from: [{ ipBlocks: ['192.0.2.0/24'] }] }, {}, 'from[0].ipBlocks', /10\.0\.0\.1.*192\.0\.2/],
    [{ to: [{ methods: ['POST'] }] }, {}, 'to[0].methods', /GET.*POST/],
    [{ to: [{ methods: ['POST'] }, { paths: ['/b'], methods: ['GET'] }] }, {}, 'to[0].methods', /GET/],
    [{ to: [{ paths: ['/b'], methods: ['POST'] }, { paths: ['/b'] }] }, {}, 'to[1].paths', /\/b/],
    [{ to: [{ hosts: ['other.example'] }] }, {}, 'to[0].hosts', /api\.example.*other/],
    [{ to: [{ notPorts: [8443] }] }, {}, 'to[0].notPorts', /8443/],
    [{ when: [{ header: 'x-a', values: ['a'] }] }, {}, 'when[0].values', /no header 'x-a'/],
    [{ maxLifetime: '1h' }, {}, 'maxLifetime', /no certificate/],
  ]
  for (const [policy, asked, field, because] of cases) {
    const found = match(policy, asked)
    assert.equal(found.outcome, 'no-match')
    assert.equal(found.field, field)
    assert.match(found.because, because)
  }
})

test('reports a field that is not known only if no other field excludes the request', () => {
  const facts = factsOf({ port: undefined })
  assert.deepEqual(match({ to: [{ ports: [1] }] }, { facts }).outcome, 'unknown')
  assert.deepEqual(match({ to: [{ ports: [1] }] }, { facts }).field, 'to[0].ports')
  assert.deepEqual(match({ to: [{ ports: [1], methods: ['POST'] }] }, { facts }).outcome, 'no-match')
  assert.deepEqual(match({ to: [{ ports: [1] }, {}] }, { facts }).outcome, 'match')
})

test('never shows the value of a header', () => {
  const facts = factsOf({ headers: [['x-a', 'secret-value']] })
  assert.doesNotMatch(match({ when: [{ header: 'x-a', values: ['a'] }] }, { facts }).because, /secret-value/)
})
