import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type AccessMatrix,
  type AccessMatrixOptions,
  allOf,
  anonymous,
  anyOf,
  assumePrincipal,
  authenticated,
  callers,
  compilePolicies,
  compileRules,
  createAccessMatrix,
  custom,
  denyAll,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  perRoute,
  permitAll,
  type PossibleCallers,
  type Rule,
  serviceAccounts,
} from '@countersign/authorization'
import { createNamedCaller } from '../decision/caller.ts'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'

const production = 'spiffe://saas.example/ns/production/sa'
const coreApi = `${production}/core-api`
const possible = createPossibleWorkloads(['saas.example', 'partner.example'], {
  localTrustDomain: 'saas.example',
  namespaces: new Set(['production']),
})

function principalOf(caller: string): ReturnType<typeof assumePrincipal> | undefined {
  const { trustDomain, namespace, serviceAccount } = assumePrincipal(caller)
  if (trustDomain !== 'saas.example') return trustDomain === 'partner.example' ? assumePrincipal(caller) : undefined
  const held = [`NAMESPACE_${namespace}`, ...(namespace === 'production' ? [`SERVICE_${serviceAccount}`] : [])]
  return assumePrincipal(caller, held)
}

function createMatrix(rules: readonly Rule[], options: Partial<AccessMatrixOptions> = {}): AccessMatrix {
  const compiled = compileRules(rules, { localTrustDomain: 'saas.example', callers: possible })
  return createAccessMatrix({
    layers: { rules: compiled, policies: undefined },
    callers: possible,
    principalOf,
    ...options,
  })
}

/** `method path` of each column. */
function columnsOf({ routes }: AccessMatrix): readonly string[] {
  return routes.map(({ method, path }) => `${method} ${path}`)
}

/** The effects of each row, by its name. */
function effectsOf({ rows }: AccessMatrix): Readonly<Record<string, string>> {
  return Object.fromEntries(rows.map(({ caller, cells }) => [caller, cells.map(({ effect }) => effect).join(' ')]))
}

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
    assert.equal(effectsOf(matrix)['any other workload of saas.example'], 'allow deny deny')
  })

  test('are refused if there are too many to read', () => {
    const rules = Array.from({ length: 5001 }, (_, index) => ({ path: `/${index}`, allow: authenticated() }))

    assert.throws(() => createMatrix(rules), { code: 'option_invalid' })
    assert.equal(createMatrix(rules, { routes: [{ path: '/17' }] }).rows[0]?.cells[0]?.rule, 17)
  })
})

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
