import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  allOf,
  anyOf,
  authenticated,
  callers,
  commonName,
  ConfigurationError,
  createGuard,
  custom,
  denyAll,
  type Guard,
  type GuardOptions,
  hasAllAuthorities,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  permitAll,
  perRoute,
  type Requirement,
  serviceAccounts,
} from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority } from '@countersign/testkit'
import { openFiles } from '../subject/ca-files.ts'

const [saas, partner] = await Promise.all([createAuthority('saas.example'), createAuthority('partner.example')])
const source = await saas.source('spiffe://saas.example/ns/production/sa/billing', { federated: [partner] })
const outside = await saas.source('spiffe://saas.example/vm/billing', { federated: [partner] })
const both = ['saas.example', 'partner.example']

type Options = Partial<GuardOptions>
type Case = readonly [name: string, allow: Requirement | readonly string[], named: RegExp, options?: Options]

const unmeetable: readonly Case[] = [
  [
    'a list for another trust domain',
    ['spiffe://partner.example/ns/x/sa/y'],
    /callers\[0\].*partner\.example.*trustDomains/,
  ],
  [
    'one entry of a list',
    ['spiffe://saas.example/x', 'spiffe://saas.exmaple/x'],
    /callers\[1\].*did you mean 'saas\.example'/,
  ],
  ['a pattern', callers('spiffe://partner.example/**'), /partner\.example/],
  ['another trust domain', inTrustDomain('partner.example'), /inTrustDomain\[0\].*'partner\.example'/],
  ['one of two trust domains', inTrustDomain('saas.example', 'partner.example'), /inTrustDomain\[1\]/],
  ['an unknown trust domain', inTrustDomain('nowhere.example'), /nowhere/, { trustDomains: both }],
  [
    'our own callers that are not accepted',
    ['spiffe://saas.example/x'],
    /saas\.example/,
    { trustDomains: ['partner.example'] },
  ],
  [
    'our own namespaces that are not accepted',
    inNamespace('production'),
    /inNamespace\[0\].*saas\.example/,
    { trustDomains: ['partner.example'] },
  ],
  [
    'our own services that are not accepted',
    serviceAccounts('a/b'),
    /serviceAccounts\[0\].*saas/,
    { trustDomains: ['partner.example'] },
  ],
  [
    'our own authorities that are not accepted',
    hasAuthority('SERVICE_core-api'),
    /saas\.example in trustDomains/,
    { trustDomains: ['partner.example'] },
  ],
  ['an authority that nothing grants', hasAuthority('ADMIN'), /hasAuthority: found 'ADMIN'.*authorities/],
  ['one of several', hasAnyAuthority('SERVICE_core-api', 'ADMIN'), /hasAnyAuthority\[1\].*'ADMIN'/],
  ['one of all', hasAllAuthorities('ADMIN', 'SERVICE_core-api'), /hasAllAuthorities\[0\].*'ADMIN'/],
  ['an authority in the wrong case', hasAuthority('service_core-api'), /'service_core-api'/],
  ['a prefix alone', hasAuthority('SERVICE_'), /'SERVICE_'/],
  ['another prefix alone', hasAuthority('NAMESPACE_'), /'NAMESPACE_'/],
  ['a namespace that is two segments', hasAuthority('NAMESPACE_a/b'), /'NAMESPACE_a\/b'/],
  ['a service of three segments', hasAuthority('SERVICE_a/b/c'), /'SERVICE_a\/b\/c'/],
  ['a service without a namespace in front of its slash', hasAuthority('SERVICE_/b'), /'SERVICE_\/b'/],
  ['a service with an empty account', hasAuthority('SERVICE_a/'), /'SERVICE_a\/'/],
  ['a name that no SPIFFE ID can have', hasAuthority('SERVICE_core api'), /'SERVICE_core api'/],
  [
    'a short form where no namespace has it',
    hasAuthority('SERVICE_core-api'),
    /the namespaces option/,
    { source: outside },
  ],
  ['a part of allOf', allOf(authenticated(), hasAuthority('ADMIN')), /allOf\[1\]\.hasAuthority/],
  [
    'a part of anyOf that has one that can be met',
    anyOf(authenticated(), inTrustDomain('partner.example')),
    /anyOf\[1\]/,
  ],
  [
    'a part far below',
    allOf(anyOf(permitAll(), allOf(authenticated(), hasAuthority('ADMIN')))),
    /allOf\[0\]\.anyOf\[1\]\.allOf\[1\]/,
  ],
  ['two namespaces at once', allOf(inNamespace('a'), inNamespace('b')), /allOf: .*exclude each other/],
  ['authorities of two namespaces', hasAllAuthorities('NAMESPACE_a', 'NAMESPACE_b'), /hasAllAuthorities: .*exclude/],
  ['authorities of two services', hasAllAuthorities('SERVICE_core-api', 'SERVICE_analytics'), /exclude/],
  ['a service and another namespace', hasAllAuthorities('SERVICE_staging/core-api', 'NAMESPACE_production'), /exclude/],
  [
    'a short form and a namespace without it',
    allOf(hasAuthority('SERVICE_core-api'), inNamespace('staging')),
    /exclude/,
  ],
  [
    'a namespace of ours and callers of a partner',
    allOf(inNamespace('a'), inTrustDomain('partner.example')),
    /exclude/,
    { trustDomains: both },
  ],
  [
    'patterns that do not overlap',
    allOf(callers('spiffe://saas.example/ns/*/sa/a'), callers('spiffe://saas.example/ns/x/sa/b')),
    /exclude/,
  ],
  ['a pattern and a longer path', allOf(callers('spiffe://saas.example/ns/*'), inNamespace('x')), /exclude/],
]

const meetable: readonly (readonly [name: string, allow: Requirement | readonly string[], options?: Options])[] = [
  ['callers of ours', ['spiffe://saas.example/ns/x/sa/y', 'spiffe://saas.example/**']],
  ['callers of a partner that is accepted', ['spiffe://partner.example/x'], { trustDomains: both }],
  ['accepted trust domains', inTrustDomain('saas.example', 'partner.example'), { trustDomains: both }],
  ['derived authorities', hasAllAuthorities('SERVICE_core-api', 'SERVICE_production/core-api', 'NAMESPACE_production')],
  ['the short form of a listed namespace', hasAuthority('SERVICE_core-api'), { source: outside, namespaces: ['x'] }],
  [
    'short form and another listed namespace',
    allOf(hasAuthority('SERVICE_a'), inNamespace('y')),
    { namespaces: ['x', 'y'] },
  ],
  ['the long form without our own namespace', hasAuthority('SERVICE_a/b'), { source: outside }],
  [
    'any authority that a function may grant',
    hasAllAuthorities('ADMIN', 'NAMESPACE_a', 'NAMESPACE_b'),
    { authorities: () => [] },
  ],
  [
    'an authority for a partner',
    allOf(hasAuthority('ADMIN'), inTrustDomain('partner.example')),
    { authorities: () => [], trustDomains: both },
  ],
  ['denyAll()', denyAll()],
  ['denyAll() inside allOf', allOf(denyAll(), inNamespace('a'))],
  [
    'custom()',
    allOf(
      custom('never', () => false),
      inNamespace('a'),
    ),
  ],
  ['perRoute()', perRoute()],
  [
    'one account in several ways',
    allOf(inNamespace('a', 'b'), serviceAccounts('b/c', 'd/e'), callers('spiffe://saas.example/ns/*/sa/c')),
  ],
  ['a pattern of everything below', allOf(callers('spiffe://saas.example/ns/a/**'), serviceAccounts('a/b'))],
  ['the end of such a pattern', allOf(callers('spiffe://saas.example/ns/a/**'), callers('spiffe://saas.example/ns/a'))],
]

describe('a requirement that no caller can meet is rejected at startup:', () => {
  for (const [name, allow, named, options] of unmeetable) {
    test(name, () => {
      const error = refusalOf(() => create(allow, options))
      assert.match(error.message, named)
      assert.match(error.message, /^rules\[1\]\.allow/)
      // The same for a route, whatever the rules are.
      const guard = create(authenticated(), options)
      assert.match(refusalOf(() => forAdapter(guard).compileRoute(allow, 'route GET /x')).message, /^route GET \/x/)
    })
  }
})

describe('a requirement that some caller can meet is accepted:', () => {
  for (const [name, allow, options] of meetable) {
    test(name, () => {
      const guard = create(allow, options)
      if (name !== 'perRoute()') forAdapter(guard).compileRoute(allow, 'route')
    })
  }
})

test('a trust domain is not accepted merely because it has a bundle', () => {
  assert.ok(source.current.bundles.has('partner.example'))
  assert.match(refusalOf(() => create(inTrustDomain('partner.example'), {})).message, /not accepted/)
})

test('with a CA without SPIFFE, rejects an authority that no listed name has', async () => {
  await using files = await openFiles()
  const { source: ofCa } = files
  const identity = commonName({ authorities: { 'core-api': ['SERVICE_CORE_API', 'READ'], analytics: ['READ'] } })
  const open = (allow: Requirement): Guard => createGuard({ source: ofCa, identity, rules: [{ path: '/**', allow }] })
  for (const allow of [
    hasAuthority('SERVICE_CORE_API'),
    hasAnyAuthority('READ', 'SERVICE_CORE_API'),
    hasAllAuthorities('READ', 'SERVICE_CORE_API'),
    allOf(
      authenticated(),
      custom('x', () => true),
      hasAuthority('READ'),
    ),
    denyAll(),
  ]) {
    open(allow)
  }
  for (const [allow, named] of [
    [hasAuthority('SERVICE_CORE-API'), /did you mean 'SERVICE_CORE_API'/],
    [hasAnyAuthority('READ', 'ADMIN'), /hasAnyAuthority\[1\].*commonName\(\).*SERVICE_CORE_API, READ/],
    [hasAllAuthorities('READ', 'ADMIN'), /hasAllAuthorities\[1\]/],
    [anyOf(authenticated(), hasAuthority('SERVICE_core-api')), /anyOf\[1\]/],
  ] as const) {
    assert.match(refusalOf(() => open(allow)).message, named)
    assert.match(refusalOf(() => forAdapter(open(authenticated())).compileRoute(allow, 'route')).message, named)
  }
  const apart = commonName({ authorities: { a: ['A'], b: ['B'] } })
  const rules = [{ path: '/**', allow: hasAllAuthorities('A', 'B') }]
  assert.match(refusalOf(() => createGuard({ source: ofCa, identity: apart, rules })).message, /exclude/)
})

test('explain accepts callers that are not accepted, and the requirement of a route', () => {
  const guard = create(authenticated(), {})
  const caller = 'spiffe://partner.example/ns/production/sa/core-api'
  const question = { caller, method: 'GET', path: '/x' }
  assert.equal(guard.explain(question).decision.effect, 'deny')
  assert.equal(guard.explain({ ...question, allow: hasAuthority('ADMIN') }).decision.effect, 'deny')
})

test('many combinations of long lists are neither slow nor rejected by mistake', () => {
  const names = Array.from({ length: 2000 }, (_, index) => `ns-${index}`)
  create(allOf(inNamespace(...names), inNamespace(...names.toReversed()), inNamespace('ns-7')), {})
})

function create(allow: Requirement | readonly string[], options: Options = {}): Guard {
  const rules = [
    { path: '/open', allow: authenticated() },
    { path: '/**', allow },
  ]
  return createGuard({ source, rules, log: () => undefined, ...options })
}

function refusalOf(run: () => unknown): ConfigurationError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error))
    assert.equal(error.code, 'rule_invalid', error.message)
    return error
  }
  return assert.fail('it was accepted')
}
