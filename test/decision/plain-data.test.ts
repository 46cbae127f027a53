import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  assumePrincipal,
  authenticated,
  compileRules,
  custom,
  decidePath,
  hasAuthority,
  inNamespace,
  serviceAccounts,
} from '@countersign/authorization'
import { ConfigurationError, SpiffeIdError } from '@countersign/spiffe/id'

const local = { localTrustDomain: 'saas.example' }
const coreApi = assumePrincipal('spiffe://saas.example/ns/production/sa/core-api', ['SERVICE_core-api'])

describe('an assumed principal', () => {
  test('has the properties of its SPIFFE ID, and only the given authorities', () => {
    assert.equal(coreApi.name, 'spiffe://saas.example/ns/production/sa/core-api')
    assert.deepEqual([coreApi.namespace, coreApi.serviceAccount], ['production', 'core-api'])
    assert.deepEqual([coreApi.hasAuthority('SERVICE_core-api'), coreApi.hasAuthority('ADMIN')], [true, false])
    assert.deepEqual(assumePrincipal('spiffe://saas.example/x').authorities, [])
    assert.ok(Object.isFrozen(coreApi) && Object.isFrozen(coreApi.authorities))
  })

  test('meets the requirements that a verified one meets', () => {
    for (const allow of [authenticated(), inNamespace('production'), serviceAccounts('production/core-api')]) {
      const rules = compileRules([{ path: '/**', allow }], local)
      assert.equal(decidePath(rules, { method: 'GET', path: '/', principal: coreApi }).effect, 'allow')
    }
  })

  test('is rejected without a SPIFFE ID, and with an empty authority', () => {
    assert.throws(() => assumePrincipal('core-api'), SpiffeIdError)
    assert.throws(() => assumePrincipal('spiffe://saas.example/x', ['']), ConfigurationError)
  })
})

describe('a request of plain data', () => {
  const rules = compileRules(
    [
      { path: '/invoices/**', methods: ['GET', 'SEARCH'], allow: hasAuthority('SERVICE_core-api') },
      { path: '/custom', allow: custom('from abroad', ({ headers }) => headers['x-from'] === 'abroad') },
    ],
    local,
  )

  for (const [method, path, expected] of [
    ['GET', '/invoices/17', 'allow'],
    ['GET', '/invoices/17?page=2', 'allow'],
    ['SEARCH', '/invoices/17', 'allow'],
    ['POST', '/invoices/17', 'no_rule'],
    ['PURGE', '/invoices/17', 'unknown_method'],
    ['GET', '/INVOICES/17', 'no_rule'],
    ['GET', '/invoices//17', 'empty_segment'],
    ['GET', 'invoices/17', 'not_origin_form'],
    ['GET', '/invoices/17%2F18', 'encoded_delimiter'],
  ] as const) {
    test(`${method} ${path} is decided like a request over a connection: ${expected}`, () => {
      const decision = decidePath(rules, { method, path, principal: coreApi })
      assert.equal(decision.effect === 'deny' ? decision.reason : 'allow', expected)
    })
  }

  test('shows its headers to custom requirements', () => {
    const request = { method: 'GET', path: '/custom', principal: coreApi }
    assert.equal(decidePath(rules, { ...request, headers: { 'x-from': 'abroad' } }).effect, 'allow')
    assert.equal(decidePath(rules, request).effect, 'deny')
  })

  test('is decided for a router that ignores case if that is specified', () => {
    const semantics = { foldCase: 'ascii', foldTrailingSlash: true } as const
    const request = { method: 'GET', path: '/INVOICES/17/', principal: coreApi, semantics }
    assert.equal(decidePath(rules, request).effect, 'allow')
  })
})
