import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { explainDecision, type ExplainedRequest, type Explanation } from '../../packages/authorization/src/explain.ts'
import { exactSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decideLayers, type Layers } from '../../packages/authorization/src/policy/decide-policies.ts'
import type { Policy } from '../../packages/authorization/src/policy/policy.ts'
import { authenticated, permitAll } from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { targetOf } from '../decision/target-of.ts'
import { policySet } from './random.ts'
import { local, workload } from './request-of.ts'

const coreApi = workload('spiffe://saas.example/ns/production/sa/core-api')
const admin = workload('spiffe://saas.example/admin', { lifetime: 60_000 })
const rules = compileRules([{ path: '/**', allow: authenticated() }], local)
const policies: readonly Policy[] = [
  { name: 'no-admin', action: 'DENY', to: [{ paths: ['/admin/**'] }], declaredAt: 'a.yaml:1:1' },
  { name: 'internal', action: 'DENY', to: [{ paths: ['/internal'] }], from: [{ notIpBlocks: ['10.0.0.0/8'] }] },
  { name: 'invoices', action: 'ALLOW', from: [{ namespaces: ['production'] }], to: [{ paths: ['/invoices/*'] }] },
  { name: 'other', action: 'ALLOW', from: [{ namespaces: ['staging'] }], to: [{ paths: ['/x'], methods: ['POST'] }] },
  { name: 'emergency', action: 'ALLOW', maxLifetime: '1h', breakGlass: true },
]

function layersOf(given: readonly object[]): Layers {
  return { policies: compilePolicies(given, local), rules }
}

function explain(about: Partial<ExplainedRequest>, layers: Layers = layersOf(policies)): Explanation {
  const request = { principal: coreApi, method: 'GET', path: '/', semantics: exactSemantics, ...about }
  return explainDecision({ ...request, layers })
}

function show({ layers }: Explanation): readonly string[] {
  return layers.map(({ layer, outcome, policy = '' }) => `${layer} ${outcome} ${policy}`.trim())
}

test('explains the layers of policies in order, with the policy that decided', () => {
  assert.deepEqual(show(explain({ path: '/invoices/1' })), [
    'target pass',
    'authentication pass',
    'deny-policies pass',
    'allow-policies pass invoices',
    'rules pass',
    'route skipped',
  ])
  assert.deepEqual(show(explain({ path: '/admin/x' })).slice(2), [
    'deny-policies deny no-admin',
    'allow-policies skipped',
    'rules skipped',
    'route skipped',
  ])
  assert.deepEqual(show(explain({ path: '/x' })).slice(2, 5), [
    'deny-policies pass',
    'allow-policies deny',
    'rules skipped',
  ])
  assert.deepEqual(show(explain({ path: '/x', principal: admin })).slice(3, 5), [
    'allow-policies pass emergency',
    'rules pass',
  ])
})

test('has no layer that the guard does not have, and reports an authorizer as not asked', () => {
  const without = explain({}, { policies: undefined, rules })
  assert.deepEqual(show(without), ['target pass', 'authentication pass', 'rules pass', 'route skipped'])
  const last = explain({ authorizer: 'opa', path: '/invoices/1' }).layers.at(-1)
  assert.deepEqual([last?.layer, last?.outcome], ['authorizer', 'skipped'])
  assert.match(last?.because ?? '', /'opa' is not asked/)
  assert.match(explain({ authorizer: 'opa' }).layers.at(-1)?.because ?? '', /earlier layer/)
})

test('says that the rules decide if no ALLOW policy is needed', () => {
  const found = explain({}, layersOf(policies.slice(0, 2))).layers.find(({ layer }) => layer === 'allow-policies')
  assert.deepEqual([found?.outcome, found?.because], ['skipped', 'there is no ALLOW policy, so the rules decide'])
})

test('shows the policies that come closest, with the first field that does not match', () => {
  const misses = (about: Partial<ExplainedRequest>, name: string): readonly string[] =>
    explain(about)
      .layers.filter(({ layer }) => layer === name)
      .flatMap(({ policyMisses }) => policyMisses.map(({ policy, field }) => `${policy} ${field}`))
  assert.deepEqual(misses({ path: '/invoices' }, 'allow-policies'), ['invoices to[0].paths', 'emergency maxLifetime'])
  assert.deepEqual(misses({ path: '/invoices/1' }, 'deny-policies'), ['no-admin to[0].paths'])
  assert.match(
    String(explain({ path: '/invoices' })),
    /near miss: policy 'invoices' to\[0\]\.paths: the path is \/invoices/,
  )
})

test('says what is not known if a DENY policy matches for that reason', () => {
  const { decision } = explain({ path: '/internal' })
  assert.ok(decision.effect === 'deny')
  assert.equal(decision.policy, 'internal')
  assert.match(decision.detail, /from\[0\]\.notIpBlocks cannot be compared: the address is not known/)
})

test('accepts a method that only a policy names', () => {
  const purge = layersOf([{ name: 'purge', action: 'ALLOW', to: [{ methods: ['PURGE'] }] }])
  assert.equal(explain({ method: 'PURGE' }, purge).decision.effect, 'allow')
  assert.equal(explain({ method: 'PURGE' }).layers[0]?.outcome, 'deny')
})

test('returns the same decision as a request', () => {
  const open = compileRules(
    [
      { path: '/a/*', allow: authenticated() },
      { path: '/**', allow: permitAll() },
    ],
    local,
  )
  fc.assert(
    fc.property(
      policySet,
      fc.constantFrom('/', '/a', '/a/b', '/%61'),
      fc.constantFrom('GET', 'PUT'),
      (given, path, method) => {
        const layers = { policies: compilePolicies(given, local), rules: open }
        for (const principal of [null, coreApi, admin]) {
          const request = { principal, method, semantics: exactSemantics }
          const decision = decideLayers(layers, { ...request, target: targetOf(path), message: { headers: {} } })
          assert.deepEqual(
            { ...explainDecision({ ...request, layers, path }).decision, id: '' },
            { ...decision, id: '' },
          )
        }
      },
    ),
    { numRuns: 300 },
  )
})
