import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  allOf,
  anonymous,
  anyOf,
  authenticated,
  callers,
  compileRules,
  createAccessMatrix,
  denyAll,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  permitAll,
  serviceAccounts,
} from '@countersign/authorization'
import { columnsOf, coreApi, createMatrix, effectsOf, possible, principalOf, production } from './create-matrix.ts'

describe('the rows', () => {
  test('name the callers that rules name, each wildcard, each trust domain, and no one else', () => {
    const matrix = createMatrix([
      { path: '/a', allow: anyOf(hasAuthority('SERVICE_core-api'), callers(`${production}/*`)) },
      { path: '/b', allow: serviceAccounts('staging/web') },
      { path: '/c', allow: callers('spiffe://partner.example/x/**') },
    ])

    assert.deepEqual(effectsOf(matrix), {
      [coreApi]: 'allow deny deny deny',
      'spiffe://saas.example/ns/staging/sa/web': 'deny allow deny deny',
      'any other workload that matches spiffe://partner.example/x/**': 'deny deny allow deny',
      'any other workload of partner.example': 'deny deny deny deny',
      'any other workload of ns/production': 'allow deny deny deny',
      'any other workload of saas.example': 'deny deny deny deny',
    })
  })

  test('show that a partner’s namespace is not ours', () => {
    const partner = 'spiffe://partner.example/ns/production/sa/core-api'
    const matrix = createMatrix([{ path: '/a', allow: inNamespace('production') }], { rows: [partner] })

    assert.equal(effectsOf(matrix)[partner], 'deny deny')
    assert.equal(effectsOf(matrix)['any other workload of ns/production'], 'allow deny')
  })

  test('have an example that no rule names', () => {
    const { rows } = createMatrix([
      { path: '/a', allow: callers('spiffe://saas.example/ns/any-other/sa/any-other') },
      { path: '/b', allow: inTrustDomain('saas.example') },
    ])

    const row = rows.find(({ caller }) => caller === 'any other workload of saas.example')
    assert.equal(row?.example, 'spiffe://saas.example/ns/any-other-2/sa/any-other-2')
    assert.deepEqual(
      row.cells.map(({ effect }) => effect),
      ['deny', 'allow', 'deny'],
    )
  })

  test('have one for what two wildcards have in common', () => {
    const matrix = createMatrix([
      {
        path: '/a',
        allow: allOf(callers('spiffe://saas.example/ns/*/sa/web'), callers('spiffe://saas.example/ns/x/sa/*')),
      },
    ])

    assert.equal(effectsOf(matrix)['spiffe://saas.example/ns/x/sa/web'], 'allow deny')
    assert.equal(effectsOf(matrix)['any other workload of ns/x'], 'deny deny')
  })

  test('have one for a caller with an authority that is not derived', () => {
    const granting = { ...possible, holdersOf: () => [] }
    const rules = compileRules([{ path: '/a', allow: hasAuthority('AUDITOR') }], { localTrustDomain: 'saas.example' })
    const matrix = createAccessMatrix({ layers: { rules, policies: undefined }, callers: granting, principalOf })

    assert.equal(effectsOf(matrix)['any other caller with the authority AUDITOR'], 'allow deny')
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'deny deny')
  })

  test('include anonymous callers only in permissive mode', () => {
    const rules = [
      { path: '/a', allow: anyOf(anonymous(), authenticated()) },
      { path: '/b', allow: authenticated() },
      { path: '/c', allow: permitAll() },
    ]

    assert.equal(effectsOf(createMatrix(rules))['anonymous'], undefined)
    assert.equal(effectsOf(createMatrix(rules, { isPermissive: true }))['anonymous'], 'allow deny allow deny')
  })

  test('deny anonymous callers of a log everything without permissive mode', () => {
    const log = [{ caller: null, method: 'GET', path: '/a', effect: 'allow' }] as const
    const matrix = createMatrix([{ path: '/a', allow: permitAll() }], { log })

    assert.equal(effectsOf(matrix)['anonymous'], 'deny deny')
  })

  test('deny a caller that is not authenticated', () => {
    const { rows } = createMatrix([{ path: '/a', allow: permitAll() }], { rows: ['spiffe://stranger.example/x'] })

    const row = rows.find(({ caller }) => caller === 'spiffe://stranger.example/x')
    assert.deepEqual(
      row?.cells.map(({ effect }) => effect),
      ['deny', 'deny'],
    )
  })
})

describe('the columns', () => {
  test('are the patterns of rules with the methods that are told apart there, and any other path', () => {
    const matrix = createMatrix([
      { path: '/a/secret', methods: ['DELETE'], allow: denyAll() },
      { path: '/a/*', methods: ['GET'], allow: authenticated() },
      { path: '/a/**', allow: hasAuthority('SERVICE_core-api') },
    ])

    assert.deepEqual(columnsOf(matrix), [
      'DELETE /a/secret',
      'GET /a/secret',
      '* /a/secret',
      'GET /a/*',
      '* /a/*',
      '* /a/**',
      '* /**',
    ])
    assert.equal(effectsOf(matrix)[coreApi], 'deny allow allow allow allow allow deny')
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'deny allow deny allow deny deny deny')
  })

  test('have an example that no more specific pattern matches', () => {
    const { routes } = createMatrix([
      { path: '/a', allow: authenticated() },
      { path: '/a/*', allow: authenticated() },
      { path: '/a/any-other/*', allow: authenticated() },
      { path: '/a/**', allow: authenticated() },
    ])

    assert.deepEqual(
      routes.map(({ path, example }) => [path, example.path]),
      [
        ['/a', '/a'],
        ['/a/any-other/*', '/a/any-other/any-other-2'],
        ['/a/*', '/a/any-other-2'],
        ['/a/**', '/a/any-other-2/any-other-2'],
        ['/**', '/any-other-2'],
      ],
    )
  })

  test('leave out a pattern that more specific ones cover', () => {
    const matrix = createMatrix([
      { path: '/a/*/**', allow: authenticated() },
      { path: '/a', allow: authenticated() },
      { path: '/b/*', allow: authenticated() },
    ])

    assert.deepEqual(columnsOf(matrix), ['* /a', '* /a/*/**', '* /b/*', '* /**'])
  })

  test('are encoded as a request is sent', () => {
    const semantics = { foldCase: false, foldTrailingSlash: false, comparesEscaped: 'unneeded' } as const
    const { routes, rows } = createMatrix([{ path: '/grüße und mehr', allow: authenticated() }], { semantics })

    assert.equal(routes[0]?.example.path, '/gr%C3%BC%C3%9Fe%20und%20mehr')
    assert.equal(rows[0]?.cells[0]?.effect, 'allow')
  })

  test('are the routes given, whose parameters are wildcards', () => {
    const matrix = createMatrix(
      [
        { path: '/invoices/summary', allow: denyAll() },
        { path: '/invoices/*', methods: ['GET'], allow: authenticated() },
      ],
      { routes: [{ path: '/invoices/:id' }, { method: 'POST', path: '/invoices/summary' }] },
    )

    assert.deepEqual(columnsOf(matrix), ['GET /invoices/:id', '* /invoices/:id', 'POST /invoices/summary'])
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'depends deny deny')
  })

  test('depend on the path if rules or policies decide parts of a route differently', () => {
    const rules = [
      { path: '/orders/export', methods: ['POST'], allow: denyAll() },
      { path: '/x/public/**', allow: authenticated() },
      { path: '/x/**', allow: denyAll() },
      { path: '/**', allow: authenticated() },
    ]
    const routes = [{ method: 'GET', path: '/orders/:id' }, { path: '/orders/:id' }, { method: 'GET', path: '/x/**' }]
    const matrix = createMatrix(rules, { routes })
    const [row] = matrix.rows

    assert.deepEqual(columnsOf(matrix), ['GET /orders/:id', '* /orders/:id', 'GET /x/**'])
    assert.deepEqual(
      row?.cells.map(({ effect }) => effect),
      ['allow', 'depends', 'depends'],
    )
    assert.match(row?.cells[2]?.because ?? '', /GET \/x\/any-other: deny, .*; GET \/x\/public\/any-other: allow/)
  })

  test('leave to a more specific route what it is for', () => {
    const rules = [
      { path: '/orders/export', allow: denyAll() },
      { path: '/**', allow: authenticated() },
    ]
    const routes = [{ method: 'GET', path: '/orders/:id' }, { path: '/orders/export' }]

    assert.equal(effectsOf(createMatrix(rules, { routes }))['any other workload of saas.example'], 'allow deny')
  })

  test('include what over three hundred patterns have in common', () => {
    const patterns = Array.from({ length: 310 }, (_, index) => ({ path: `/p${index}/*`, allow: authenticated() }))
    const { routes, rows } = createMatrix([{ path: '/*/secret', allow: denyAll() }, ...patterns])
    const column = routes.findIndex(({ path }) => path === '/p5/secret')

    assert.equal(rows[0]?.cells[column]?.effect, 'deny')
  })

  test('are refused if wildcards overlap in too many places', () => {
    const rules = Array.from({ length: 14 }, (_, index) => ({
      path: `/${Array.from({ length: 14 }, (__, place) => (place === index ? 'a' : '*')).join('/')}`,
      allow: authenticated(),
    }))

    assert.throws(() => createMatrix(rules), { code: 'option_invalid' })
  })

  test('are refused if there are too many to read', () => {
    const rules = Array.from({ length: 5001 }, (_, index) => ({ path: `/${index}`, allow: authenticated() }))

    assert.throws(() => createMatrix(rules), { code: 'option_invalid' })
    assert.equal(createMatrix(rules, { routes: [{ path: '/17' }] }).rows[0]?.cells[0]?.rule, 17)
  })
})
