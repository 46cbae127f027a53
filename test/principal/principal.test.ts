import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintPrincipal, Principal } from '../../packages/core/src/principal/principal.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'

const facts = {
  name: 'spiffe://saas.example/x',
  spiffeId: SpiffeId.parse('spiffe://saas.example/x'),
  authorities: ['billing.read', 'billing.write', 'billing.read'],
  credential: 'x509-svid',
  expiresAt: 7,
} as const

test('has each authority once, in the order they were given', () => {
  assert.deepEqual(mintPrincipal(facts).authorities, ['billing.read', 'billing.write'])
})

test('compares authorities byte for byte', () => {
  const principal = mintPrincipal(facts)
  assert.equal(principal.hasAuthority('billing.read'), true)
  for (const name of ['Billing.read', 'billing', 'billing.read ', '', 'constructor', '__proto__']) {
    assert.equal(principal.hasAuthority(name), false, name)
  }
})

test('is immutable, including its authorities', () => {
  const principal = mintPrincipal(facts)
  assert.equal(Reflect.set(principal, 'name', 'spiffe://saas.example/admin'), false)
  assert.equal(
    Reflect.set(principal, 'hasAuthority', () => true),
    false,
  )
  assert.equal(Reflect.set(principal.authorities, 2, 'admin'), false)
  assert.equal(principal.hasAuthority('admin'), false)
})

test('an object that only imitates a principal has no authority', () => {
  const forged: unknown = Object.assign(Object.create(Principal.prototype), { authorities: ['admin'] })
  assert.ok(forged instanceof Principal)
  assert.throws(() => forged.hasAuthority('admin'), TypeError)
})

test('has no SPIFFE ID, trust domain, namespace or service account if it is identified only by name', () => {
  const principal = mintPrincipal({ name: 'core-api', authorities: [], credential: 'x509-subject', expiresAt: 7 })
  const { spiffeId, trustDomain, namespace, serviceAccount } = principal
  assert.deepEqual([spiffeId, trustDomain, namespace, serviceAccount], [undefined, undefined, undefined, undefined])
  assert.equal(principal.name, 'core-api')
})

test('shows its authorities in JSON', () => {
  const shown: unknown = JSON.parse(JSON.stringify(mintPrincipal(facts)))
  assert.deepEqual(shown, {
    name: 'spiffe://saas.example/x',
    spiffeId: 'spiffe://saas.example/x',
    trustDomain: 'saas.example',
    authorities: ['billing.read', 'billing.write'],
    credential: 'x509-svid',
    expiresAt: 7,
  })
})
