import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  allOf,
  anyOf,
  authenticated,
  compilePolicies,
  compileRules,
  createAccessMatrix,
  custom,
  hasAuthority,
  perRoute,
  type PossibleCallers,
} from '@countersign/authorization'
import { createNamedCaller } from '../decision/caller.ts'
import { coreApi, createMatrix, effectsOf, possible, principalOf } from './create-matrix.ts'

describe('a cell', () => {
  test('names the policy that decided, and what it depends on', () => {
    const policies = compilePolicies(
      [
        { name: 'ours', action: 'ALLOW', from: [{ trustDomains: ['saas.example'] }] },
        { name: 'no exports', action: 'DENY', to: [{ paths: ['/exports/**'] }] },
        { name: 'tenants', action: 'DENY', to: [{ paths: ['/t'] }], when: [{ header: 'x-tenant', values: ['blue'] }] },
        {
          name: 'emergency',
          action: 'ALLOW',
          breakGlass: true,
          maxLifetime: '1h',
          from: [{ callers: ['spiffe://partner.example/admin'] }],
        },
      ],
      { localTrustDomain: 'saas.example', isAllowRequired: true },
    )
    const rules = compileRules([{ path: '/**', allow: authenticated() }], { localTrustDomain: 'saas.example' })
    const { rows, routes } = createAccessMatrix({ layers: { rules, policies }, callers: possible, principalOf })
    const find = (caller: string, path: string): unknown => {
      const cell = rows.find((row) => row.caller === caller)?.cells[routes.findIndex((route) => route.path === path)]
      return [cell?.effect, cell?.policy, cell?.because.split(',').at(-1)?.trim()]
    }
    const ours = 'any other workload of saas.example'
    const required = "policy 'ours' allows it; rules[0] (/**) requires authenticated()"

    assert.deepEqual(find(ours, '/**'), ['allow', 'ours', required])
    assert.deepEqual(find(ours, '/exports/**'), [
      'deny',
      'no exports',
      "policy_denied: policy 'no exports' denies this request",
    ])
    assert.deepEqual(find(ours, '/t'), ['depends', 'tenants', 'depending on header x-tenant'])
    assert.deepEqual(find('any other workload of partner.example', '/t'), [
      'deny',
      undefined,
      'no_policy: no ALLOW policy matches this request',
    ])
    const admin = find('spiffe://partner.example/admin', '/**')
    assert.deepEqual(admin, ['depends', 'emergency', 'depending on maxLifetime'])
  })

  test('has a row for each name of a CA without SPIFFE', () => {
    const subjects: PossibleCallers = {
      everyone: ['billing-client', 'other'].map((segment) => ({ trustDomain: '', segments: [segment], rest: false })),
      trustDomains: [],
      localTrustDomain: undefined,
      credentials: new Set(['x509-subject']),
      holdersOf: () => [],
      suggest: () => '',
    }
    const rules = compileRules([{ path: '/a', allow: hasAuthority('BILLING') }], { localTrustDomain: undefined })
    const matrix = createAccessMatrix({
      layers: { rules, policies: undefined },
      callers: subjects,
      principalOf: (name) => createNamedCaller(name, ...(name === 'billing-client' ? ['BILLING'] : [])),
    })

    assert.deepEqual(effectsOf(matrix), { 'billing-client': 'allow deny', other: 'deny deny' })
  })

  test('depends on a custom requirement only if it decides', () => {
    const never = custom('never asked', () => assert.fail('must not be asked'))
    const matrix = createMatrix([
      { path: '/a', allow: allOf(hasAuthority('SERVICE_core-api'), never) },
      { path: '/b', allow: anyOf(never, hasAuthority('SERVICE_core-api')) },
    ])

    assert.equal(effectsOf(matrix)[coreApi], 'depends allow deny')
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'deny depends deny')
  })

  test('depends on a route that was not given', () => {
    const rules = [{ path: '/**', allow: perRoute() }]
    const { rows } = createMatrix(rules)

    assert.equal(rows[0]?.cells[0]?.effect, 'depends')
  })

  test('depends on the authorizer for what all other layers allow', () => {
    const rules = [{ path: '/a', allow: hasAuthority('SERVICE_core-api') }]
    const matrix = createMatrix(rules, { hasAuthorizer: true })

    assert.equal(effectsOf(matrix)[coreApi], 'depends deny')
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'deny deny')
  })

  test('names the rule and the reason', () => {
    const { rows } = createMatrix([{ path: '/a', allow: hasAuthority('SERVICE_core-api') }])
    const [row] = rows

    assert.equal(row?.caller, coreApi)
    assert.equal(row.cells[0]?.rule, 0)
    assert.match(row.cells[0]?.because ?? '', /rules\[0\] \(\/a\) requires hasAuthority\('SERVICE_core-api'\)/)
    assert.match(row.cells[1]?.because ?? '', /^no_rule: /)
  })

  test('is not called unused if the log has a request by the same rule, because it is a sample', () => {
    const rules = [{ path: '/**', allow: authenticated() }]
    const routes = [{ path: '/a' }, { path: '/b' }]
    const usedBy = (entry: { readonly rule?: number }): unknown => {
      const log = [{ caller: coreApi, method: 'GET', path: '/a', effect: 'allow', ...entry }] as const
      return createMatrix(rules, { log, routes }).rows[0]?.cells.map(({ isUsed }) => isUsed)
    }

    assert.deepEqual(usedBy({ rule: 0 }), [true, undefined])
    assert.deepEqual(usedBy({}), [true, false])
  })

  test('states whether the log has such a request', () => {
    const rules = [
      { path: '/a/*', methods: ['GET'], allow: authenticated() },
      { path: '/a/**', allow: authenticated() },
    ]
    const log = [
      { caller: coreApi, method: 'HEAD', path: '/a/17', effect: 'allow' },
      { caller: coreApi, method: 'GET', path: '/a', effect: 'deny' },
    ] as const
    const { rows, routes } = createMatrix(rules, { log })

    const used = rows.map(({ caller, cells }) => [
      caller,
      ...routes.filter((_, index) => cells[index]?.isUsed === true).map(({ method, path }) => `${method} ${path}`),
    ])
    assert.deepEqual(
      used.filter((row) => row.length > 1),
      [[coreApi, 'GET /a/*']],
    )
    assert.equal(rows[0]?.cells.at(-1)?.isUsed, undefined)
  })
})
