import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  anonymous,
  anyOf,
  authenticated,
  authorizer,
  createGuard,
  type Explanation,
  hasAuthority,
  type MatrixQuestion,
  type PolicySet,
  provenBy,
  allOf,
  type Rule,
  simulateGuard,
  SpiffeIdError,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const own = 'spiffe://saas.example/ns/production/sa/billing'
const authority = await createAuthority('saas.example')
const source = await authority.source(own)
const rules: readonly Rule[] = [
  { path: '/audit/**', allow: hasAuthority('AUDITOR') },
  { path: '/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/open', allow: anyOf(anonymous(), authenticated()) },
  { path: '/**', methods: ['GET'], allow: authenticated() },
]
const policies: PolicySet = {
  policies: [
    { name: 'no exports', action: 'DENY', to: [{ paths: ['/billing/exports/**'] }] },
    { name: 'tenants', action: 'DENY', when: [{ header: 'x-tenant', values: ['blue'] }], to: [{ paths: ['/t'] }] },
  ],
}
const trustDomains = ['saas.example', 'partner.example']
const auditor = 'spiffe://saas.example/ns/ops/sa/auditor'
const authorities = (id: string): readonly string[] => (id === auditor ? ['AUDITOR'] : [])

const guard = createGuard({
  source,
  rules,
  policies,
  trustDomains,
  authorities: ({ spiffeId }) => authorities(spiffeId.toString()),
  permissive: { until: new Date(Date.now() + 3_600_000).toISOString() },
  log: () => undefined,
})
const simulated = simulateGuard({ own, rules, policies, trustDomains, authorities, permissive: true })

const callers = [
  null,
  auditor,
  own,
  'spiffe://saas.example/ns/production/sa/core-api',
  'spiffe://saas.example/ns/staging/sa/core-api',
  'spiffe://partner.example/ns/production/sa/core-api',
  'spiffe://stranger.example/x',
]
const paths = ['/', '/audit/x', '/billing/x', '/billing/exports/1', '/open', '/t', '/a//b', '/%2e/']

// Each denial has an id of its own.
function summarize({ decision, layers }: Explanation): unknown {
  const { effect } = decision
  const denial = effect === 'deny' ? [decision.reason, decision.status, decision.policy, decision.challenge] : []
  return { effect, rule: decision.rule, denial, layers }
}

describe('a simulated guard', () => {
  test('explains every request as the guard does', () => {
    const effects = new Set<string>()
    for (const caller of callers) {
      for (const path of paths) {
        for (const method of ['GET', 'POST']) {
          const question = { caller, method, path }
          const explanation = guard.explain(question)
          effects.add(explanation.decision.effect)
          assert.deepEqual(
            summarize(simulated.explain(question)),
            summarize(explanation),
            `${caller} ${method} ${path}`,
          )
        }
      }
    }
    assert.equal(effects.size, 2)
  })

  test('has the matrix of the guard', () => {
    const question = {
      routes: [{ path: '/open' }, { method: 'GET', path: '/audit/:id', allow: authenticated() }],
      callers: [auditor],
    }

    assert.deepEqual(simulated.accessMatrix(), guard.accessMatrix())
    assert.deepEqual(simulated.accessMatrix(question), guard.accessMatrix(question))
    assert.equal(simulated.revision, guard.accessMatrix().revision)
  })

  test('decides a request of which only the caller, the method and the path are known', () => {
    const decide = (caller: string | null, path: string): string =>
      simulated.decide({ caller, method: 'GET', path }).effect

    assert.equal(decide(own, '/x'), 'allow')
    assert.equal(decide(own, '/t'), 'depends')
    assert.equal(decide(own, '/billing/exports/1'), 'deny')
    assert.equal(decide('spiffe://stranger.example/x', '/open'), 'deny')
    assert.equal(decide(null, '/open'), 'allow')
  })

  test('denies anonymous callers everything without permissive mode', () => {
    const strict = simulateGuard({ own, rules, authorities })

    assert.equal(strict.decide({ caller: null, method: 'GET', path: '/open' }).effect, 'deny')
    assert.ok(strict.accessMatrix().rows.every(({ kind }) => kind !== 'anonymous'))
    assert.equal(strict.explain({ caller: null, method: 'GET', path: '/open' }).decision.effect, 'deny')
  })

  test('asks for a certificate or a token, as the guard does', () => {
    const challengeOf = (credentials?: readonly ['x509-svid', 'jwt-svid']): string | undefined => {
      const { decision } = simulateGuard({
        own,
        rules,
        authorities,
        permissive: true,
        ...(credentials && { credentials }),
      }).explain({
        caller: null,
        method: 'GET',
        path: '/x',
      })
      return decision.effect === 'deny' ? decision.challenge : undefined
    }

    assert.equal(challengeOf(), 'ClientCertificate')
    assert.equal(challengeOf(['x509-svid', 'jwt-svid']), 'Bearer')
  })

  test('proves callers only by the credentials that it accepts', () => {
    const weak: readonly Rule[] = [{ path: '/**', allow: allOf(provenBy('x509-svid', 'jwt-svid'), authenticated()) }]
    const question = { caller: own, credential: 'jwt-svid', method: 'GET', path: '/x' } as const

    assert.throws(() => simulateGuard({ own, rules: [{ path: '/x', allow: provenBy('jwt-svid') }] }), {
      code: 'rule_invalid',
    })
    const accepting = simulateGuard({ own, rules: weak, credentials: ['x509-svid', 'jwt-svid'] })
    assert.equal(accepting.explain(question).decision.effect, 'allow')
    assert.equal(accepting.decide(question).effect, 'allow')
    assert.equal(simulated.decide(question).effect, 'deny')
  })

  const plain: readonly Rule[] = [{ path: '/x', allow: authenticated() }]
  for (const [what, options, code] of [
    ['an unknown option', { polices: {} }, 'option_unknown'],
    ['no rules and no policies', { rules: undefined }, 'option_invalid'],
    ['an own name that is not text', { own: 17 }, 'option_invalid'],
    ['a namespace with a wildcard', { namespaces: ['*'] }, 'option_invalid'],
    ['a credential that does not exist', { credentials: ['password'] }, 'option_invalid'],
    ['permissive mode that is not true or false', { permissive: 'yes' }, 'option_invalid'],
    ['authorities that are not a function', { authorities: {} }, 'option_invalid'],
    [
      'an authority that no caller has',
      { rules: [{ path: '/x', allow: { hasAuthority: 'AUDITOR' } }] },
      'rule_invalid',
    ],
    ['rules in both places', { policies: { rules: plain } }, 'option_invalid'],
  ] as const) {
    test(`refuses ${what}`, () => {
      simulateGuard({ own, rules: plain })
      assert.throws(() => Reflect.apply(simulateGuard, undefined, [{ own, rules: plain, ...options }]), { code })
    })
  }

  test('refuses an own name that is not a SPIFFE ID', () => {
    assert.throws(() => simulateGuard({ own: 'billing', rules: [] }), SpiffeIdError)
    assert.throws(() => simulateGuard({ own, rules: [], trustDomains: ['*'] }), SpiffeIdError)
  })
})

describe('the matrix of a guard', () => {
  const ask = (question: MatrixQuestion): unknown => guard.accessMatrix(question)
  for (const [what, question] of Object.entries({
    'an unknown field': { rows: [] },
    'routes that are not a list': { routes: '/x' },
    'a route without a path': { routes: [{ method: 'GET' }] },
    'a route with a typing error': { routes: [{ path: '/x', metod: 'GET' }] },
    'a route with a requirement that no caller meets': {
      routes: [{ path: '/x', allow: { inTrustDomain: ['stranger.example'] } }],
    },
    'callers that are not a list': { callers: own },
    'semantics that are not known': { semantics: { foldCase: 'all' } },
  })) {
    test(`refuses ${what}`, () => {
      assert.throws(() => Reflect.apply(ask, undefined, [question]), {
        name: 'ConfigurationError',
      })
    })
  }

  test('depends on the authorizer where all other layers allow', () => {
    const asking = createGuard({
      source,
      rules: [{ path: '/x', allow: authenticated() }],
      authorizer: authorizer({ name: 'engine', decide: () => assert.fail('must not be asked') }),
      log: () => undefined,
    })
    const row = asking.accessMatrix().rows.find(({ caller }) => caller === 'any other workload of saas.example')

    assert.deepEqual(
      row?.cells.map(({ effect }) => effect),
      ['depends', 'deny'],
    )
  })

  test('denies a name that no caller of the guard can have', () => {
    const { rows } = guard.accessMatrix({ callers: ['not-a-spiffe-id'] })
    const row = rows.find(({ caller }) => caller === 'not-a-spiffe-id')
    assert.ok(row?.cells.every(({ effect }) => effect === 'deny'))
  })
})
