import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { CheckedRequest, RequirementFailure } from '../../packages/authorization/src/check-requirement.ts'
import { compileRequirement } from '../../packages/authorization/src/compile-requirement.ts'
import { describeRequirement } from '../../packages/authorization/src/describe-requirement.ts'
import * as spell from '../../packages/authorization/src/requirement.ts'
import type { Principal } from '../../packages/core/src/principal/principal.ts'
import { createCaller, createNamedCaller } from './caller.ts'

const context = { where: 'allow', localTrustDomain: 'saas.example' }
const coreApi = createCaller('spiffe://saas.example/ns/production/sa/core-api', 'SERVICE_core-api', 'A', 'B')
const staging = createCaller('spiffe://saas.example/ns/staging/sa/core-api', 'A')
const partner = createCaller('spiffe://partner.example/ns/production/sa/core-api')
const machine = createCaller('spiffe://saas.example/machine/7')
const named = createNamedCaller('billing', 'A')

test('accepts a list of strings for callers', () => {
  assert.equal(pass(['spiffe://saas.example/ns/production/**'], coreApi), undefined)
  assert.equal(pass(['spiffe://saas.example/ns/production/**'], partner)?.reason, 'caller_not_listed')
})

test('requires one, any or all authorities, byte for byte', () => {
  assert.equal(pass(spell.hasAuthority('A'), coreApi), undefined)
  assert.deepEqual(pass(spell.hasAuthority('a'), coreApi)?.missing, ['a'])
  assert.equal(pass(spell.hasAnyAuthority('X', 'B'), coreApi), undefined)
  assert.deepEqual(pass(spell.hasAnyAuthority('X', 'Y'), coreApi)?.missing, ['X', 'Y'])
  assert.equal(pass(spell.hasAllAuthorities('B', 'A'), coreApi), undefined)
  assert.deepEqual(pass(spell.hasAllAuthorities('X', 'A', 'Y'), coreApi)?.missing, ['X', 'Y'])
  assert.equal(pass(spell.hasAllAuthorities('A', 'X'), coreApi)?.reason, 'authority_missing')
})

test('accepts service accounts and namespaces only of the local trust domain', () => {
  assert.equal(pass(spell.serviceAccounts('production/billing', 'production/core-api'), coreApi), undefined)
  assert.equal(pass(spell.inNamespace('staging', 'production'), coreApi), undefined)
  for (const caller of [staging, partner, machine, named]) {
    assert.equal(pass(spell.serviceAccounts('production/core-api'), caller)?.reason, 'service_account_not_listed')
    assert.equal(pass(spell.inNamespace('production'), caller)?.reason, 'namespace_not_listed')
  }
  assert.equal(pass(spell.serviceAccounts('production/billing'), coreApi)?.reason, 'service_account_not_listed')
})

test('accepts a trust domain for local and federated callers', () => {
  assert.equal(pass(spell.inTrustDomain('saas.example', 'partner.example'), partner), undefined)
  assert.equal(pass(spell.inTrustDomain('saas.example'), partner)?.reason, 'trust_domain_not_listed')
  assert.equal(pass(spell.inTrustDomain('saas.example'), named)?.reason, 'trust_domain_not_listed')
})

test('matches no list of SPIFFE IDs for a caller without one', () => {
  assert.equal(pass(spell.callers('spiffe://saas.example/**'), named)?.reason, 'caller_not_listed')
  assert.equal(pass(spell.callers('spiffe://saas.example/**'), machine), undefined)
})

test('without an authenticated caller, only permitAll and anonymous are met', () => {
  const requirements = [
    spell.hasAuthority('A'),
    spell.hasAnyAuthority('A'),
    spell.hasAllAuthorities('A'),
    spell.authenticated(),
    spell.callers('spiffe://saas.example/**'),
    spell.serviceAccounts('production/core-api'),
    spell.inNamespace('production'),
    spell.inTrustDomain('saas.example'),
    spell.anyOf(spell.authenticated(), spell.hasAuthority('A')),
    spell.allOf(spell.permitAll(), spell.authenticated()),
    spell.provenBy('x509-svid', 'jwt-svid'),
    spell.custom('everything', () => true),
  ]
  for (const requirement of requirements) {
    assert.equal(pass(requirement, null)?.reason, 'unauthenticated', describeRequirement(requirement))
  }
  assert.equal(pass(spell.permitAll(), null), undefined)
  assert.equal(pass(spell.anyOf(spell.anonymous(), spell.denyAll()), null), undefined)
  assert.equal(pass(spell.authenticated(), machine), undefined)
})

test('denies every caller with denyAll', () => {
  assert.equal(pass(spell.denyAll(), coreApi)?.reason, 'deny_all')
})

test('evaluates allOf in order up to the first requirement that is not met', () => {
  const asked: string[] = []
  const ask = (name: string, answer: boolean): spell.Requirement =>
    spell.custom(name, () => {
      asked.push(name)
      return answer
    })
  assert.equal(pass(spell.allOf(ask('1', true), ask('2', true)), coreApi), undefined)
  const failure = pass(spell.allOf(ask('3', true), ask('4', false), ask('5', true)), coreApi)
  assert.equal(failure?.reason, 'custom_refused')
  assert.deepEqual(asked, ['1', '2', '3', '4'])
})

test('accepts anyOf with the first requirement that is met, and otherwise explains each failure', () => {
  const requirement = spell.anyOf(spell.hasAuthority('X'), spell.hasAnyAuthority('X', 'Y'))
  assert.deepEqual(pass(requirement, coreApi)?.missing, ['X', 'Y'])
  assert.equal(pass(requirement, coreApi)?.reason, 'authority_missing')
  assert.equal(pass(spell.anyOf(requirement, spell.hasAuthority('B')), coreApi), undefined)
  const mixed = pass(spell.anyOf(spell.inNamespace('x'), spell.denyAll()), coreApi)
  assert.equal(mixed?.reason, 'no_alternative')
  assert.ok(mixed !== undefined && !('missing' in mixed))
})

test('passes the request to a custom requirement, read-only', () => {
  const told: spell.RequestFacts[] = []
  const requirement = spell.custom('look', (facts) => told.push(facts) === 1)
  assert.equal(pass(requirement, coreApi), undefined)
  assert.deepEqual(told, [{ principal: coreApi, method: 'GET', path: '/a b', headers: { accept: '*/*' } }])
  assert.ok(Object.isFrozen(told[0]))
})

test('denies if a custom requirement throws any value', () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      const requirement = spell.custom('broken', () => {
        throw thrown
      })
      assert.equal(pass(requirement, coreApi)?.reason, 'evaluation_error')
    }),
  )
  const failure = pass({ custom: { name: 'broken', test: () => raise(new Error('lost')) } }, coreApi)
  assert.match(failure?.detail ?? '', /broken.*lost/)
})

test('denies if a custom requirement does not return true or false', async () => {
  const rejections: unknown[] = []
  const listen = (reason: unknown): number => rejections.push(reason)
  process.on('unhandledRejection', listen)
  const values: readonly unknown[] = [
    1,
    0,
    '',
    'true',
    null,
    undefined,
    {},
    [],
    Object.create(Promise.prototype),
    Promise.resolve(true),
  ]
  for (const value of [...values, Promise.reject(new Error('late'))]) {
    assert.equal(pass({ custom: { name: 'odd', test: () => value } }, coreApi)?.reason, 'evaluation_error')
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', listen)
  assert.deepEqual(rejections, [])
})

test('an error in one alternative denies immediately, unless an earlier alternative is met', () => {
  const broken = spell.custom('broken', () => raise(new Error('lost')))
  assert.equal(pass(spell.anyOf(broken, spell.permitAll()), coreApi)?.reason, 'evaluation_error')
  assert.equal(pass(spell.anyOf(spell.denyAll(), broken, spell.permitAll()), coreApi)?.reason, 'evaluation_error')
  assert.equal(pass(spell.anyOf(spell.permitAll(), broken), coreApi), undefined)
  assert.equal(pass(spell.allOf(spell.anyOf(broken, spell.permitAll())), coreApi)?.reason, 'evaluation_error')
})

test('perRoute defers to the route and allows nothing by itself', () => {
  const compiled = compileRequirement(spell.perRoute(), context)
  assert.equal(compiled.deferToRoute, true)
  assert.equal(compiled.test(request(coreApi))?.reason, 'no_route_requirement')
  assert.equal(compileRequirement(spell.permitAll(), context).deferToRoute, false)
})

function pass(input: unknown, principal: Principal | null): RequirementFailure | undefined {
  return compileRequirement(input, context).test(request(principal))
}

function request(principal: Principal | null): CheckedRequest {
  const target = { accepted: true, path: '/a b', isFoldable: true } as const
  return { principal, method: 'GET', target, message: { headers: { accept: '*/*' } } }
}

function raise(error: Error): never {
  throw error
}
