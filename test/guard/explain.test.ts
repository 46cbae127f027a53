import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, authorizer, createGuard, hasAuthority, SpiffeIdError } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const guard = createGuard({
  source,
  rules: [
    { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
    { path: '/internal/**', methods: ['GET'], allow: authenticated() },
  ],
})
const caller = 'spiffe://saas.example/ns/production/sa/core-api'

test('explains an allowed request layer by layer', () => {
  const { decision, layers } = guard.explain({ caller, method: 'GET', path: '/internal/billing/invoices' })
  assert.equal(decision.effect, 'allow')
  assert.deepEqual(
    layers.map(({ layer, outcome }) => `${layer} ${outcome}`),
    ['target pass', 'authentication pass', 'rules pass', 'route skipped'],
  )
})

test('explains which authority of the local namespaces a caller of another namespace lacks', () => {
  const staging = 'spiffe://saas.example/ns/staging/sa/core-api'
  const { decision } = guard.explain({ caller: staging, method: 'GET', path: '/internal/billing/x' })
  assert.equal(decision.effect === 'deny' && decision.reason, 'authority_missing')
})

test('explains that a rule did not match because of its method', () => {
  const { decision, layers } = guard.explain({ caller, method: 'POST', path: '/internal/x' })
  assert.equal(decision.effect === 'deny' && decision.reason, 'no_rule')
  assert.ok(layers.some(({ nearMisses }) => nearMisses.length > 0))
})

test('evaluates the route after the rules', () => {
  const allow = ['spiffe://saas.example/ns/production/sa/other']
  const { decision } = guard.explain({ caller, method: 'GET', path: '/internal/x', allow })
  assert.equal(decision.effect === 'deny' && decision.reason, 'caller_not_listed')
})

test('denies a path that another router compares with a rule that decides differently', () => {
  const question = { caller, method: 'POST', path: '/INTERNAL/billing' }
  const insensitive = { foldCase: 'ascii', foldTrailingSlash: true } as const
  const exact = { foldCase: false, foldTrailingSlash: false } as const
  assert.equal(guard.explain({ ...question, semantics: insensitive }).decision.effect, 'allow')
  const { decision } = guard.explain({ ...question, semantics: insensitive, otherSemantics: exact })
  assert.equal(decision.effect === 'deny' && decision.reason, 'ambiguous_path')
})

test('treats null, an ID without a path and a foreign trust domain as not authenticated', () => {
  for (const nobody of [null, 'spiffe://saas.example', 'spiffe://partner.example/ns/production/sa/core-api']) {
    const { decision } = guard.explain({ caller: nobody, method: 'GET', path: '/internal/x' })
    assert.equal(decision.effect === 'deny' && decision.reason, 'unauthenticated', String(nobody))
  }
})

test('rejects a caller that is not a SPIFFE ID', () => {
  assert.throws(() => guard.explain({ caller: 'core-api', method: 'GET', path: '/' }), SpiffeIdError)
})

test('names the authorizer, and does not ask it', () => {
  const guarded = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    authorizer: authorizer({ name: 'directory', decide: () => assert.fail('asked') }),
  })
  const { decision, layers } = guarded.explain({ caller, method: 'GET', path: '/internal/x' })
  assert.equal(decision.effect, 'allow')
  const last = layers.at(-1)
  assert.deepEqual([last?.layer, last?.outcome], ['authorizer', 'skipped'])
  assert.match(String(last?.because), /directory/)
  assert.ok(!guard.explain({ caller, method: 'GET', path: '/x' }).layers.some(({ layer }) => layer === 'authorizer'))
})
