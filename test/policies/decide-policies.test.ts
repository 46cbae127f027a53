import assert from 'node:assert/strict'
import test from 'node:test'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import {
  decideLayers,
  decidePolicies,
  findAllowingPolicy,
} from '../../packages/authorization/src/policy/decide-policies.ts'
import type { Policy, PolicyTo } from '../../packages/authorization/src/policy/policy.ts'
import { permitAll } from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { createNamedCaller } from '../decision/caller.ts'
import { decideBy, factsOf, isMatch, local, requestOf, workload } from './request-of.ts'

const coreApi = workload('spiffe://saas.example/ns/production/sa/core-api', { authorities: ['READ', 'WRITE'] })
const partner = workload('spiffe://partner.example/ns/production/sa/core-api')
const named = createNamedCaller('legacy', 'READ')

test('a DENY policy denies, an ALLOW policy does not override it, and a set without ALLOW policies passes the rest', () => {
  const deny: Policy = { name: 'no-partners', action: 'DENY', from: [{ trustDomains: ['partner.example'] }] }
  const allow: Policy = { name: 'all', action: 'ALLOW' }
  assert.equal(decideBy([deny], { principal: partner }), 'policy_denied')
  assert.equal(decideBy([allow, deny], { principal: partner }), 'policy_denied')
  assert.equal(decideBy([deny], { principal: coreApi }), 'pass')
  const denial = decidePolicies(compilePolicies([deny], local), requestOf({ principal: partner }))
  assert.ok(denial !== undefined && 'effect' in denial)
  assert.deepEqual([denial.status, denial.code, denial.policy], [403, 'access_denied', 'no-partners'])
})

test('a request has to match an ALLOW policy if there is one, or if no rules were given', () => {
  const allow: Policy = { name: 'local', action: 'ALLOW', from: [{ trustDomains: ['saas.example'] }] }
  assert.equal(decideBy([allow], { principal: coreApi }), 'pass')
  assert.equal(decideBy([allow], { principal: partner }), 'no_policy')
  assert.equal(decideBy([], { principal: coreApi }), 'pass')
  assert.equal(decideBy([], { principal: coreApi }, { ...local, isAllowRequired: true }), 'no_policy')
})

test('a set without its ALLOW policies requires one only if no rules were given', () => {
  const allow: Policy = { name: 'local', action: 'ALLOW', from: [{ trustDomains: ['saas.example'] }] }
  for (const isAllowRequired of [true, false]) {
    const set = compilePolicies([allow], { ...local, isAllowRequired })
    assert.equal(set.isAllowRequired, true)
    assert.equal(set.without(() => true).isAllowRequired, isAllowRequired)
    assert.equal(set.without(() => false).policies.length, 1)
  }
})

test('policies decide before the rules, and the rules still apply', () => {
  const rules = compileRules([{ path: '/open', allow: permitAll() }], local)
  const policies = compilePolicies([{ name: 'all', action: 'ALLOW' }], local)
  const reasonOf = (path: string, set: typeof policies | undefined): string => {
    const decision = decideLayers({ policies: set, rules }, requestOf({ path, principal: coreApi }))
    return decision.effect === 'deny' ? decision.reason : 'allow'
  }
  assert.equal(reasonOf('/open', policies), 'allow')
  assert.equal(reasonOf('/closed', policies), 'no_rule')
  assert.equal(reasonOf('/open', compilePolicies([], { ...local, isAllowRequired: true })), 'no_policy')
  assert.equal(reasonOf('/open', undefined), 'allow')
})

test('maxLifetime matches only a certificate of at most that lifetime', () => {
  const policy = { action: 'ALLOW', maxLifetime: '1h' } as const
  const lifetimes: readonly (readonly [number | undefined, boolean])[] = [
    [3_600_000, true],
    [3_600_001, false],
    [undefined, false],
  ]
  for (const [lifetime, expected] of lifetimes) {
    assert.equal(isMatch(policy, { principal: workload('spiffe://saas.example/x', { lifetime }) }), expected)
  }
  assert.equal(isMatch(policy, { principal: null }), false)
})

test('a policy for emergencies is reported only if no ordinary ALLOW policy matches, and overrides nothing', () => {
  const emergency: Policy = {
    name: 'emergency',
    action: 'ALLOW',
    from: [{ trustDomains: ['saas.example'] }],
    maxLifetime: '1h',
    breakGlass: true,
  }
  const ordinary: Policy = { name: 'ordinary', action: 'ALLOW', to: [{ paths: ['/public'] }] }
  const deny: Policy = { name: 'deny', action: 'DENY', to: [{ paths: ['/never'] }] }
  const admin = workload('spiffe://saas.example/admin', { lifetime: 600_000 })
  const decide = (path: string, principal: typeof admin): string =>
    decideBy([emergency, ordinary, deny], { path, principal })
  assert.equal(decide('/public', admin), 'pass')
  assert.equal(decide('/private', admin), 'emergency')
  assert.equal(decide('/never', admin), 'policy_denied')
  assert.equal(decide('/private', coreApi), 'no_policy')
})

test('finds the first ALLOW policy that matches, an ordinary one before one for emergencies', () => {
  const set = compilePolicies(
    [
      { name: 'emergency', action: 'ALLOW', maxLifetime: '1h', breakGlass: true },
      { name: 'other', action: 'ALLOW', to: [{ paths: ['/other'] }] },
      { name: 'wide', action: 'ALLOW', to: [{ paths: ['/a/**'] }] },
      { name: 'narrow', action: 'ALLOW', from: [{ trustDomains: ['saas.example'] }], to: [{ paths: ['/a/b'] }] },
    ],
    local,
  )
  const admin = workload('spiffe://saas.example/admin', { lifetime: 600_000 })
  assert.equal(findAllowingPolicy(set, requestOf({ path: '/a/b', principal: admin }))?.name, 'wide')
  assert.equal(findAllowingPolicy(set, requestOf({ path: '/x', principal: admin }))?.name, 'emergency')
  assert.equal(findAllowingPolicy(set, requestOf({ path: '/x', principal: coreApi })), undefined)
})

test('a DENY policy matches any reading of a path, and ALLOW policies have to match all of them', () => {
  const express = { foldCase: 'ascii', foldTrailingSlash: true } as const
  const deny: Policy = { name: 'deny', action: 'DENY', to: [{ paths: ['/admin'] }] }
  const allow: Policy = { name: 'allow', action: 'ALLOW', to: [{ paths: ['/admin'] }] }
  assert.equal(decideBy([deny], { path: '/ADMIN/' }), 'pass')
  assert.equal(decideBy([deny], { path: '/ADMIN/', semantics: express }), 'policy_denied')
  assert.equal(decideBy([deny], { path: '/ADMIN/', otherSemantics: express }), 'policy_denied')
  assert.equal(decideBy([allow], { path: '/ADMIN/', semantics: express }), 'pass')
  assert.equal(decideBy([allow], { path: '/ADMIN/', otherSemantics: express }), 'no_policy')
  assert.equal(decideBy([allow], { path: '/admin', otherSemantics: express }), 'pass')

  assert.equal(decideBy([deny], { path: '/%61dmin' }), 'policy_denied')
  assert.equal(decideBy([allow], { path: '/%61dmin' }), 'no_policy')
  const star: Policy = { name: 'star', action: 'ALLOW', to: [{ paths: ['/*'] }] }
  assert.equal(decideBy([star], { path: '/%61dmin' }), 'pass')
})

test('a DENY policy matches a path with its encoded slash decoded, and an ALLOW policy excludes it', () => {
  const deny: Policy = { name: 'deny', action: 'DENY', to: [{ paths: ['/a/b'] }] }
  assert.equal(decideBy([deny], { path: '/a%2Fb' }), 'policy_denied')
  const star: Policy = { name: 'star', action: 'ALLOW', to: [{ paths: ['/*'] }] }
  assert.equal(decideBy([star], { path: '/a%2Fb' }), 'pass')
  assert.equal(decideBy([{ ...star, to: [{ paths: ['/*'], notPaths: ['/a/**'] }] }], { path: '/a%2Fb' }), 'no_policy')
})

test('what restricts also matches an empty last segment, and what grants does not', () => {
  const to = (action: Policy['action'], entry: PolicyTo): boolean => isMatch({ action, to: [entry] }, { path: '/a/' })
  assert.equal(to('DENY', { paths: ['/a/*'] }), true)
  assert.equal(to('ALLOW', { paths: ['/a/*'] }), false)
  assert.equal(to('ALLOW', { paths: ['/**'], notPaths: ['/a/*'] }), false)
  assert.equal(to('DENY', { paths: ['/**'], notPaths: ['/a/*'] }), true)
})

test('entries are alternatives, and every condition has to match', () => {
  const policy = {
    action: 'ALLOW',
    from: [{ trustDomains: ['saas.example'] }, { trustDomains: ['partner.example'] }],
    to: [{ paths: ['/a'] }, { methods: ['POST'] }],
    when: [
      { header: 'x-a', values: ['1'] },
      { header: 'x-b', values: ['1'] },
    ],
  } as const
  const both = factsOf({
    headers: [
      ['x-a', '1'],
      ['x-b', '1'],
    ],
  })
  assert.equal(isMatch(policy, { principal: partner, path: '/a', facts: both }), true)
  assert.equal(isMatch(policy, { principal: coreApi, method: 'POST', facts: both }), true)
  assert.equal(isMatch(policy, { principal: coreApi, path: '/b', facts: both }), false)
  assert.equal(isMatch(policy, { principal: named, path: '/a', facts: both }), false)
  assert.equal(isMatch(policy, { principal: coreApi, path: '/a', facts: factsOf({ headers: [['x-a', '1']] }) }), false)
})

test('a policy with very many combinations of callers and paths matches the same requests', () => {
  const paths = Array.from({ length: 200 }, (_, index) => `/p${index}`)
  const ids = Array.from({ length: 300 }, (_, index) => `spiffe://saas.example/w${index}`)
  for (const [callerCount, pathCount] of [
    [300, 20],
    [20, 200],
  ] as const) {
    const policy = {
      action: 'ALLOW',
      from: [{ callers: ids.slice(0, callerCount) }, { trustDomains: ['partner.example'] }],
      to: [{ paths: paths.slice(0, pathCount), methods: ['GET'] }, { methods: ['POST'] }],
    } as const
    const known = workload('spiffe://saas.example/w7')
    assert.equal(isMatch(policy, { principal: known, path: '/p7' }), true)
    assert.equal(isMatch(policy, { principal: partner, path: '/p7' }), true)
    assert.equal(isMatch(policy, { principal: known, path: '/q', method: 'POST' }), true)
    assert.equal(isMatch(policy, { principal: known, path: '/q' }), false)
    assert.equal(isMatch(policy, { principal: known, path: '/p7', method: 'PUT' }), false)
    assert.equal(isMatch(policy, { principal: workload('spiffe://saas.example/w999'), path: '/p7' }), false)
    const deny = { action: 'DENY', from: policy.from, to: [{ paths: policy.to[0].paths, ports: [1] }] } as const
    assert.equal(isMatch(deny, { principal: known, path: '/p7' }), false)
    assert.equal(isMatch(deny, { principal: known, path: '/p7', facts: undefined }), true)
  }
})
