import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import {
  type CompiledRequirement,
  compileRouteRequirement,
} from '../../packages/authorization/src/compile-requirement.ts'
import {
  decide,
  decideRequirement,
  decideRoute,
  decideRules,
  type DecisionRequest,
} from '../../packages/authorization/src/decide.ts'
import { createDenial, type Decision, type Denial } from '../../packages/authorization/src/denial.ts'
import { exactSemantics, type PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import {
  authenticated,
  custom,
  denyAll,
  hasAllAuthorities,
  hasAuthority,
  inNamespace,
  perRoute,
  permitAll,
  type Requirement,
} from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { createCaller } from './caller.ts'
import { targetOf } from './target-of.ts'

const context = { localTrustDomain: 'saas.example' }
const coreApi = createCaller('spiffe://saas.example/ns/production/sa/core-api', 'SERVICE_core-api')
const folded: PathSemantics = { foldCase: 'ascii', foldTrailingSlash: true }

const rules = compileRules(
  [
    { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
    {
      path: '/internal/analytics/**',
      methods: ['GET'],
      allow: hasAllAuthorities('SERVICE_core-api', 'SERVICE_analytics'),
    },
    { path: '/internal/**', allow: authenticated() },
    { path: '/routes/**', allow: perRoute() },
    { path: '/Mixed', allow: permitAll() },
    { path: '/closed', allow: denyAll() },
  ],
  context,
)

test('allows a request that its rule allows, and returns the same decision object per rule', () => {
  const decision = decide(rules, ask('/internal/billing/invoices'))
  assert.deepEqual(decision, { effect: 'allow', rule: 0, isLeftToRoute: false })
  assert.equal(decide(rules, ask('/internal/billing/other')), decision)
  assert.deepEqual(decide(rules, ask('/internal/other')), { effect: 'allow', rule: 2, isLeftToRoute: false })
})

test('denies a request that no rule covers', () => {
  for (const path of ['/', '/other', '/internalx', '/Internal']) {
    const denial = denied(decide(rules, ask(path)))
    assert.deepEqual([denial.reason, denial.status, denial.code], ['no_rule', 403, 'access_denied'], path)
    assert.ok(!('rule' in denial))
  }
})

test('does not continue to the next rule after a rule denies', () => {
  const denial = denied(decide(rules, ask('/internal/analytics/report')))
  assert.equal(denial.reason, 'authority_missing')
  assert.equal(denial.rule, 1)
  assert.deepEqual(denial.missing, ['SERVICE_analytics'])
  assert.equal(decide(rules, { ...ask('/internal/analytics/report'), method: 'POST' }).effect, 'allow')
})

test('asks an unauthenticated caller for a certificate', () => {
  const denial = denied(decide(rules, { ...ask('/internal/other'), principal: null }))
  assert.deepEqual([denial.reason, denial.status, denial.code], ['unauthenticated', 403, 'client_certificate_required'])
})

test('names rule and reason for the operator, and gives every denial its own id', () => {
  const first = denied(decide(rules, ask('/closed')))
  const second = denied(decide(rules, ask('/closed')))
  assert.equal(first.rule, 5)
  assert.match(first.detail, /rules\[5\] \(\/closed\)/)
  assert.match(first.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.notEqual(first.id, second.id)
  assert.ok(Object.isFrozen(first))
})

test("checks the route's requirement in addition to the rules", () => {
  const path = '/internal/billing/x'
  assert.equal(decide(rules, { ...ask(path), routeAllow: route(inNamespace('production')) }).effect, 'allow')
  const denial = denied(decide(rules, { ...ask(path), routeAllow: route(inNamespace('staging')) }))
  assert.equal(denial.reason, 'namespace_not_listed')
  assert.ok(!('rule' in denial))
})

test('a route cannot allow what a rule denies', () => {
  assert.equal(denied(decide(rules, { ...ask('/closed'), routeAllow: route(permitAll()) })).reason, 'deny_all')
  assert.equal(denied(decide(rules, { ...ask('/none'), routeAllow: route(permitAll()) })).reason, 'no_rule')
})

test('perRoute allows a request only if the route has its own allow, and then evaluates it', () => {
  assert.equal(denied(decide(rules, ask('/routes/x'))).reason, 'no_route_requirement')
  assert.equal(denied(decide(rules, ask('/routes/x'))).rule, 3)
  assert.equal(decide(rules, { ...ask('/routes/x'), routeAllow: route(authenticated()) }).effect, 'allow')
  assert.equal(denied(decide(rules, { ...ask('/routes/x'), routeAllow: route(denyAll()) })).reason, 'deny_all')
})

test('decides the same in two steps as in one', () => {
  const cases = [authenticated(), denyAll(), hasAuthority('X'), undefined]
  for (const path of ['/internal/billing/x', '/closed', '/none', '/routes/x']) {
    for (const demand of cases) {
      const request = { ...ask(path), routeAllow: demand && route(demand) }
      const ruling = decideRules(rules, request)
      const whole = ruling.effect === 'deny' ? ruling : decideRoute(rules, ruling, request)
      assert.deepEqual(withoutId(whole), withoutId(decide(rules, request)), path)
    }
  }
})

test('reads the path as the router does', () => {
  assert.equal(decide(rules, { ...ask('/MIXED/'), semantics: folded }).effect, 'allow')
  assert.equal(denied(decide(rules, ask('/MIXED/'))).reason, 'no_rule')
})

test('denies if two routers would reach rules that decide differently', () => {
  const denial = denied(decide(rules, { ...ask('/MIXED'), otherSemantics: folded }))
  assert.deepEqual([denial.reason, denial.status], ['ambiguous_path', 403])
  assert.match(denial.detail, /no rule.*rules\[4\]/)
  assert.equal(denied(decide(rules, { ...ask('/Closed'), otherSemantics: folded })).reason, 'no_rule')
  assert.equal(decide(rules, { ...ask('/Mixed'), otherSemantics: folded }).effect, 'allow')
  assert.equal(decide(rules, { ...ask('/internal/billing/x'), otherSemantics: folded }).effect, 'allow')
})

test('evaluates a rule once if two routers reach the same one', () => {
  let asked = 0
  const count = custom('count', () => {
    asked += 1
    return true
  })
  const set = compileRules([{ path: '/**', allow: count }], context)
  assert.equal(decide(set, { ...ask('/A/'), otherSemantics: folded }).effect, 'allow')
  assert.equal(asked, 1)
})

test('allows a request if two routers reach different rules that both allow it', () => {
  const both = compileRules(
    [
      { path: '/A', allow: permitAll() },
      { path: '/*', allow: authenticated() },
    ],
    context,
  )
  assert.equal(decide(both, { ...ask('/a'), otherSemantics: folded }).effect, 'allow')
  const denial = denied(decide(both, { ...ask('/a'), principal: null, otherSemantics: folded }))
  assert.equal(denial.reason, 'ambiguous_path')
})

test('answers 503 if a custom requirement cannot be evaluated', () => {
  const broken = custom('broken', () => {
    throw new Error('lost')
  })
  const set = compileRules([{ path: '/**', allow: broken }], context)
  const denial = denied(decide(set, ask('/')))
  assert.deepEqual([denial.reason, denial.status, denial.code], ['evaluation_error', 503, 'authorization_unavailable'])
  assert.equal(denied(decideRequirement(route(broken), ask('/'))).status, 503)
})

test('chooses 400, 403 or 503 only by the reason of a denial', () => {
  assert.equal(createDenial('dot_segment', '').status, 400)
  assert.equal(createDenial('dot_segment', '').code, 'ambiguous_request')
  assert.equal(createDenial('identity_expired', '').code, 'identity_invalid')
  assert.equal(createDenial('guard_missing', '').status, 503)
})

test('always returns a decision, and the same one for the same request', () => {
  const segment = fc.constantFrom('internal', 'billing', 'analytics', 'routes', 'Mixed', 'closed', 'x', '')
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
  const method = fc.constantFrom('GET', 'POST', 'HEAD', 'anything')
  const demand = fc.constantFrom(undefined, route(authenticated()), route(denyAll()))
  const also = fc.constantFrom(undefined, exactSemantics, folded)
  fc.assert(
    fc.property(path, method, demand, also, (found, verb, routeAllow, otherSemantics) => {
      const target = { accepted: true, path: found, isFoldable: true } as const
      const request: DecisionRequest = { ...ask('/'), target, method: verb, routeAllow, otherSemantics }
      assert.deepEqual(withoutId(decide(rules, request)), withoutId(decide(rules, request)))
    }),
    { numRuns: 2_000 },
  )
})

function ask(path: string): DecisionRequest {
  return {
    principal: coreApi,
    method: 'GET',
    target: targetOf(path),
    message: { headers: {} },
    semantics: exactSemantics,
  }
}

function route(requirement: Requirement): CompiledRequirement {
  return compileRouteRequirement(requirement, { where: 'allow', ...context })
}

function denied(decision: Decision): Denial {
  assert.equal(decision.effect, 'deny')
  return decision
}

function withoutId(decision: Decision): object {
  return decision.effect === 'allow' ? decision : { ...decision, id: '' }
}
