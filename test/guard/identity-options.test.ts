import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  allOf,
  anyOf,
  authenticated,
  callers,
  commonName,
  ConfigurationError,
  type CountersignEvent,
  createGuard,
  dnsName,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  serviceAccounts,
  type SubjectSource,
  type X509Source,
} from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority } from '@countersign/testkit'
import { identity, openFiles } from '../subject/ca-files.ts'

const rules = [{ path: '/**', allow: authenticated() }]
const files = await openFiles()
after(() => files[Symbol.asyncDispose]())
const { source } = files
const authority = await createAuthority('saas.example')
const spiffeSource = await authority.source('spiffe://saas.example/ns/production/sa/billing')

/** The error for these options, whatever their type. */
function refusal(options: object): ConfigurationError {
  try {
    Reflect.apply(createGuard, undefined, [{ source, identity, rules, ...options }])
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new assert.AssertionError({ message: 'the guard was created' })
}

test('accepts a source with a CA with commonName() or dnsName()', () => {
  assert.doesNotThrow(() => createGuard({ source, identity, rules }))
  const byDnsName = dnsName({ authorities: { 'order-service.prod.internal': [] } })
  assert.doesNotThrow(() => createGuard({ source, identity: byDnsName, rules }))
})

for (const [what, options, option] of [
  ['identity with a source of SPIFFE', { source: spiffeSource }, 'identity'],
  ['identity of null with a source of SPIFFE', { source: spiffeSource, identity: null }, 'identity'],
  ['a source of a CA without identity', { identity: undefined }, 'identity'],
  ['an identity of null', { identity: null }, 'identity'],
  ['options instead of an identity', { identity: { authorities: { 'core-api': [] } } }, 'identity'],
  ['a function instead of an identity', { identity: commonName }, 'identity'],
  ['trustDomains with identity', { trustDomains: ['saas.example'] }, 'trustDomains'],
  ['namespaces with identity', { namespaces: ['production'] }, 'namespaces'],
  ['authorities with identity', { authorities: () => [] }, 'authorities'],
] as const) {
  test(`rejects ${what}`, () => {
    const error = refusal(options)
    assert.equal(error.code, 'option_invalid')
    assert.match(error.message, new RegExp(`createGuard: ${option}:`))
  })
}

const spiffeOnly = {
  callers: callers('spiffe://saas.example/**'),
  serviceAccounts: serviceAccounts('production/core-api'),
  inNamespace: inNamespace('production'),
  inTrustDomain: inTrustDomain('saas.example'),
  'a list of SPIFFE IDs': ['spiffe://saas.example/ns/production/sa/core-api'],
  'one of them inside allOf': allOf(authenticated(), inNamespace('production')),
  'one of them inside anyOf inside allOf': allOf(anyOf(hasAuthority('A'), callers('spiffe://saas.example/x'))),
} as const
for (const [what, allow] of Object.entries(spiffeOnly)) {
  test(`rejects a rule with ${what}, which no caller without a SPIFFE ID can meet`, () => {
    const error = refusal({
      rules: [
        { path: '/a', allow: authenticated() },
        { path: '/**', allow },
      ],
    })
    assert.equal(error.code, 'rule_invalid')
    assert.match(error.message, /rules\[1\]\.allow/)
  })

  test(`rejects a route with ${what} as soon as it is compiled or explained`, () => {
    const guard = createGuard({ source, identity, rules })
    const isRefusal = (error: unknown): boolean => error instanceof ConfigurationError && error.code === 'rule_invalid'
    assert.throws(() => forAdapter(guard).compileRoute(allow, 'route'), isRefusal)
    assert.throws(() => guard.explain({ caller: 'core-api', method: 'GET', path: '/', allow }), isRefusal)
  })
}

test('names what the rule required and where', () => {
  assert.equal(refusal({ rules: [{ path: '/**', allow: callers('spiffe://saas.example/x') }] }).value, 'callers')
})

/** A source as another program could implement it: its content changes its kind. */
function turn<Material>(
  from: X509Source<Material>,
  to: X509Source<unknown>,
): X509Source<Material> & { turn: () => void } {
  const turning = {
    current: from.current,
    onUpdate: () => () => undefined,
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    turn: (): void => void Object.assign(turning, { current: to.current }),
  }
  return turning
}

test('keeps the CA if an update brings SPIFFE bundles instead', () => {
  const events: CountersignEvent[] = []
  const turning: SubjectSource & { turn: () => void } = turn(source, spiffeSource)
  const guard = createGuard({ source: turning, identity, rules, log: (event) => events.push(event) })
  const before = guard.tlsOptions()
  turning.turn()
  assert.equal(guard.tlsOptions().ca.toString(), before.ca.toString())
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'source' ? [[event.outcome, event.code]] : [])),
    [['refused', 'update_refused']],
  )
})

test('keeps the SPIFFE bundles if an update brings a CA instead', () => {
  const events: CountersignEvent[] = []
  const turning = turn(spiffeSource, source)
  const guard = createGuard({ source: turning, rules, log: (event) => events.push(event) })
  const before = guard.tlsOptions()
  turning.turn()
  assert.equal(guard.tlsOptions().ca.toString(), before.ca.toString())
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'source' ? [[event.outcome, event.code]] : [])),
    [['refused', 'update_refused']],
  )
})
