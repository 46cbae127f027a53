import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type CompiledRequirement,
  compileRouteRequirement,
} from '../../packages/authorization/src/compile-requirement.ts'
import { decide } from '../../packages/authorization/src/decide.ts'
import { explainDecision, type Explanation, type ExplainRequest } from '../../packages/authorization/src/explain.ts'
import { exactSemantics } from '../../packages/authorization/src/path-semantics.ts'
import {
  authenticated,
  custom,
  hasAuthority,
  inNamespace,
  permitAll,
} from '../../packages/authorization/src/requirement.ts'
import { compileRules, type RuleSet } from '../../packages/authorization/src/rules.ts'
import { createCaller } from './caller.ts'
import { targetOf } from './target-of.ts'

const context = { localTrustDomain: 'saas.example' }
const coreApi = createCaller('spiffe://saas.example/ns/production/sa/core-api', 'SERVICE_core-api')
const nobody = createCaller('spiffe://saas.example/machine')
const rules = compileRules(
  [
    { path: '/internal/billing/invoices', methods: ['POST'], allow: permitAll() },
    { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
    { path: '/internal/*/report/', allow: permitAll() },
    { path: '/files/**', methods: ['GET'], allow: permitAll() },
    { path: '/names/*', allow: permitAll() },
    { path: '/names/**', allow: permitAll() },
    { path: '/', allow: permitAll() },
  ],
  context,
)

test('explains every layer in order of evaluation', () => {
  const explanation = explain({ path: '/internal/billing/invoices?page=2' })
  assert.equal(explanation.decision.effect, 'allow')
  assert.deepEqual(outcomes(explanation), ['target pass', 'authentication pass', 'rules pass', 'route skipped'])
  assert.match(because(explanation, 'target'), /\/internal\/billing\/invoices$/)
  assert.match(because(explanation, 'authentication'), /sa\/core-api; authorities: SERVICE_core-api/)
  assert.match(because(explanation, 'rules'), /rules\[1\] .* hasAuthority\('SERVICE_core-api'\)$/)
  assert.match(because(explanation, 'route'), /no allow was given/)
})

test('stops at the layer that denies', () => {
  assert.deepEqual(outcomes(explain({ path: '/a//b' })), [
    'target deny',
    'authentication skipped',
    'rules skipped',
    'route skipped',
  ])
  assert.equal(reasonOf(explain({ path: '/a//b' })), 'empty_segment')
  assert.equal(reasonOf(explain({ method: 'get' })), 'unknown_method')
  const refused = explain({ path: '/internal/billing/x', principal: nobody })
  assert.deepEqual(outcomes(refused), ['target pass', 'authentication pass', 'rules deny', 'route skipped'])
  assert.match(because(refused, 'rules'), /rules\[1\].*authority_missing.*SERVICE_core-api/)
  assert.match(because(refused, 'authentication'), /authorities: none/)
})

test('explains that the caller is not authenticated', () => {
  const explanation = explain({ path: '/internal/billing/x', principal: null })
  assert.deepEqual(outcomes(explanation), ['target pass', 'authentication skipped', 'rules deny', 'route skipped'])
  assert.equal(reasonOf(explanation), 'unauthenticated')
})

test('explains the requirement of the route', () => {
  const passed = explain({ path: '/internal/billing/x', routeAllow: demand('production') })
  assert.deepEqual(outcomes(passed).at(-1), 'route pass')
  const refused = explain({ path: '/internal/billing/x', routeAllow: demand('staging') })
  assert.deepEqual(outcomes(refused).at(-1), 'route deny')
  assert.match(because(refused, 'route'), /inNamespace\('staging'\); namespace_not_listed/)
})

test('names a rule that matches the path but not the method', () => {
  assert.deepEqual(misses(explain({ path: '/internal/billing/invoices' })), ['0 method'])
  assert.deepEqual(misses(explain({ path: '/files/x', method: 'DELETE' })), ['3 method'])
})

test('names rules that differ in case, in a trailing slash or in the spelling of one segment', () => {
  assert.deepEqual(misses(explain({ path: '/Files/x' })), ['3 case'])
  assert.deepEqual(misses(explain({ path: '/internal/x/report' })), ['2 trailing_slash'])
  assert.deepEqual(misses(explain({ path: '/file/x' })), ['3 segment'])
  assert.deepEqual(misses(explain({ path: '/internal/biling/x/y' })), ['1 segment'])
  assert.deepEqual(misses(explain({ path: '/internal/x/reprot/' })), ['2 segment'])
  assert.deepEqual(misses(explain({ path: '/wholly/different/path' })), [])
  assert.deepEqual(misses(explain({ path: '/interna1/bi11ing/x' })), [])
  assert.deepEqual(misses(explain({ path: '/unlike/x' })), [])
})

test('names no rule after the deciding one, and at most ten', () => {
  assert.deepEqual(misses(explain({ path: '/' })), [])
  const many = Array.from({ length: 30 }, (_, index) => ({ path: `/area${index}`, allow: authenticated() }))
  assert.equal(misses(explain({ path: '/area', rules: compileRules(many, context) })).length, 10)
})

test('passes the headers to custom requirements, or none if there are none', () => {
  const rules = compileRules([{ path: '/', allow: custom('header', ({ headers }) => headers['x'] === '1') }], context)
  assert.equal(explain({ rules, headers: { x: '1' } }).decision.effect, 'allow')
  assert.equal(reasonOf(explain({ rules })), 'custom_refused')
})

test('returns the same decision as a request', () => {
  for (const path of [
    '/',
    '/internal/billing/invoices',
    '/internal/x/report/',
    '/none',
    '/files',
    '/Files',
    '/names/',
  ]) {
    for (const principal of [coreApi, nobody, null]) {
      for (const method of ['GET', 'POST', 'HEAD']) {
        for (const hasEmptyParameter of [false, true]) {
          const request = { principal, method, semantics: exactSemantics, hasEmptyParameter }
          const decision = decide(rules, { ...request, target: targetOf(path), message: { headers: {} } })
          const explained = explainDecision({ ...request, rules, path }).decision
          assert.deepEqual({ ...explained, id: '' }, { ...decision, id: '' })
        }
      }
    }
  }
})

test('is readable as text', () => {
  const text = String(explain({ path: '/internal/biling/x' }))
  assert.match(text, /^denied: 403 access_denied \(no_rule\)\n {2}target /)
  assert.match(text, /near miss: rules\[1\].*'billing'.*'biling'/)
  assert.equal(text.split('\n').length, 6)
  assert.match(String(explain({})), /^allowed\n/)
})

function explain(about: Partial<ExplainRequest & { readonly rules: RuleSet }>): Explanation {
  return explainDecision({ rules, principal: coreApi, method: 'GET', path: '/', semantics: exactSemantics, ...about })
}

function demand(namespace: string): CompiledRequirement {
  return compileRouteRequirement(inNamespace(namespace), { where: 'allow', ...context })
}

function outcomes({ layers }: Explanation): readonly string[] {
  return layers.map(({ layer, outcome }) => `${layer} ${outcome}`)
}

function because({ layers }: Explanation, layer: string): string {
  return layers.find((found) => found.layer === layer)?.because ?? ''
}

function misses({ layers }: Explanation): readonly string[] {
  return layers.flatMap(({ nearMisses }) => nearMisses.map(({ rule, differs }) => `${rule} ${differs}`))
}

function reasonOf({ decision }: Explanation): string | undefined {
  return decision.effect === 'deny' ? decision.reason : undefined
}
