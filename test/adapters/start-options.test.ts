import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { authenticated, createGuard, type GuardOptions, hasAuthority, perRoute } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority } from '@countersign/testkit'
import { billing } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const everything = { path: '/**', allow: authenticated() }

describe('a guard does not start', () => {
  for (const [name, suggested, options] of [
    ['ruls', 'rules', { ruls: [] }],
    ['trustDomain', 'trustDomains', { trustDomain: ['saas.example'] }],
    ['onExpire', 'onExpiry', { onExpire: 'refuse' }],
    ['tls.minVerson', 'minVersion', { tls: { minVerson: 'TLSv1.2' } }],
    ['rules[0].method', 'methods', { rules: [{ ...everything, method: ['GET'] }] }],
  ] as const) {
    test(`with the unknown option ${name}, and suggests ${suggested}`, () => {
      refuses(options, refusal('option_unknown', new RegExp(`'${name.split('.').at(-1)}'.*'${suggested}'`)))
    })
  }

  for (const [name, options] of Object.entries({
    rules: { rules: [] },
    trustDomains: { trustDomains: [] },
    namespaces: { namespaces: [] },
    'rules[0].methods': { rules: [{ ...everything, methods: [] }] },
    'rules[0].allow': { rules: [{ path: '/**', allow: [] }] },
    hasAnyAuthority: { rules: [{ path: '/**', allow: { hasAnyAuthority: [] } }] },
    allOf: { rules: [{ path: '/**', allow: { allOf: [] } }] },
  })) {
    test(`with an empty list as ${name}`, () => {
      refuses(options, (error) => {
        assert.ok(error instanceof Error && 'code' in error)
        assert.ok(error.code === 'option_invalid' || error.code === 'rule_invalid', String(error.code))
        assert.ok(error.message.includes(name), error.message)
        assert.match(error.message, /empty/)
        return true
      })
    })
  }

  for (const [name, named, options] of [
    ['an invalid source', /source/, { source: {} }],
    ['an invalid onExpiry', /onExpiry.*'ignore'/, { onExpiry: 'ignore' }],
    ['TLS 1.1', /tls\.minVersion.*'TLSv1\.1'/, { tls: { minVersion: 'TLSv1.1' } }],
    ['a log that is not a function', /log/, { log: true }],
    ['a namespace with a wildcard', /namespaces/, { namespaces: ['*'] }],
    ['rules that are not a list', /rules/, { rules: everything }],
  ] as const) {
    test(`with ${name}`, () => refuses(options, refusal('option_invalid', named)))
  }

  test('with a rule after one that matches all its requests', () => {
    for (const swallowed of [
      { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
      { path: '/internal', methods: ['POST'], allow: perRoute() },
      { path: '/**', allow: authenticated() },
    ]) {
      refuses({ rules: [everything, swallowed] }, refusal('rule_unreachable', /rules\[1\].*rules\[0\]/))
    }
  })

  test('with a glob pattern that is not supported', () => {
    for (const path of [
      '/internal/**/x',
      '/internal/{a,b}',
      '/internal/a*',
      '/internal/[ab]',
      'internal',
      '/a//b',
      '/:id',
    ]) {
      refuses({ rules: [{ path, allow: authenticated() }] }, (error) =>
        refusal('rule_invalid', /rules\[0\]\.path/)(error),
      )
    }
  })

  test('with an authority as a caller pattern, and suggests hasAuthority', () => {
    refuses({ rules: [{ path: '/**', allow: ['SERVICE_core-api'] }] }, refusal('rule_invalid', /allow.*hasAuthority/))
  })
})

test('starts with the corrected form of each error above', () => {
  const options: GuardOptions = {
    source,
    rules: [{ path: '/internal', methods: ['POST'], allow: perRoute() }, everything],
    trustDomains: ['saas.example'],
    namespaces: ['production'],
    onExpiry: 'refuse',
    tls: { minVersion: 'TLSv1.2' },
  }
  assert.equal(forAdapter(createGuard(options)).rules.rules.length, 2)
})

/** As untyped code would call it. */
function refuses(options: object, isRefusal: (error: unknown) => boolean): void {
  assert.throws(() => Reflect.apply(createGuard, null, [{ source, ...options }]), isRefusal)
}
