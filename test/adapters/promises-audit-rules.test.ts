import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  allOf,
  anonymous,
  anyOf,
  authenticated,
  createGuard,
  custom,
  hasAuthority,
  perRoute,
  permitAll,
  type Rule,
  serviceAccounts,
} from '@countersign/core'
import { countersign as countersignExpress, createServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { assertSameDecision, followDecisions } from './audit-pair.ts'
import { everywhere, idOf, setups, startService, upgrade } from './credential-service.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const [orders, admin] = [await authority.issue(idOf('orders')), await authority.issue(idOf('admin-ui'))]
const until = new Date(Date.now() + 1_800_000).toISOString()
const audit = { until }
const isAdmin = hasAuthority('SERVICE_admin-ui')

/** The rules, of which those that are new are in audit mode with `audit`. */
function write(...audits: [] | [{ readonly audit: { readonly until: string } }]): readonly Rule[] {
  const [marked = {}] = audits
  return [
    { path: '/admin', allow: isAdmin, ...marked },
    { path: '/open/broken', allow: custom('broken', () => assert.fail('down')), ...marked },
    { path: '/open/x', methods: ['POST'], allow: isAdmin, ...marked },
    { path: '/open/closed', allow: isAdmin },
    { path: '/long', allow: authenticated() },
    { path: '/**', allow: allOf(authenticated(), anyOf(isAdmin, hasAuthority('SERVICE_orders'))) },
  ]
}

const calls = ['/admin', '/open/broken', '/open/x', '/open/closed', '/open', '/missing'].flatMap((path) =>
  ['GET', 'POST'].map((method) => ({ path, method })),
)

const unsuitable: readonly (readonly [string, readonly Rule[], string])[] = [
  ['no rule is left that is enforced', [{ path: '/**', allow: isAdmin, audit }], 'option_invalid'],
  [
    'an audited rule can never decide once it is enforced',
    [
      { path: '/admin/**', allow: authenticated() },
      { path: '/admin/x', allow: isAdmin, audit },
    ],
    'rule_unreachable',
  ],
]

describe('promise 13: a rule in audit mode is not enforced, and reports what it would deny', () => {
  for (const setup of setups) {
    test(`${setup.name}: the next rule decides, and every would-be decision is the one of the whole list`, async (context) => {
      const published = followDecisions(context)
      const auditing = await startService(context, setup, { source, rules: write({ audit }) })
      const enforcing = await startService(context, setup, { source, rules: write() })
      const without = await startService(context, setup, { source, rules: write().slice(3) })
      let count = 0
      for (const svid of [orders, admin, await authority.issue(idOf('reports'))]) {
        for (const { path, method } of calls) {
          const what = `${method} ${path} of ${svid.spiffeId}`
          const statuses: number[] = []
          const ask = (service: typeof auditing) =>
            published.during(async () => statuses.push((await service.as(svid).fetch(path, { method })).status))
          const would = await ask(auditing)
          const does = await ask(enforcing)
          const [bare] = await ask(without)
          assert.equal(statuses[0], statuses[2], what)
          const isAudited = bare?.effect === 'allow' && does[0]?.effect === 'deny'
          if (isAudited) {
            assertSameDecision(would, does, what)
            count += 1
          } else assert.equal(would[0]?.effect, does[0]?.effect, what)
          assert.equal(would.length, 1, what)
          // Indexes are those of the list as written, with or without an audit.
          if (would[0]?.effect === 'deny') assert.equal(would[0].denial?.rule, Number(bare?.denial?.rule) + 3, what)
        }
      }
      assert.ok(count > 4)
      assert.equal(auditing.guard.auditReport().requests, count)
      if (setup.http2) return
      await upgrade(auditing, orders, {}, '/admin')
      assert.equal(auditing.guard.auditReport().requests, count + 1)
    })

    test(`${setup.name}: the start names the rule that decides instead, and the end needs no restart`, async (context) => {
      const service = await startService(context, setup, { source, rules: write({ audit }) })
      const started = service.events.filter((event) => event.type === 'mode')
      assert.deepEqual(
        started.map(({ mode, outcome, rule }) => [mode, outcome, rule]),
        [0, 1, 2].map((rule) => ['audit', 'started', rule]),
      )
      assert.ok(started.every(({ detail }) => detail.includes('rules[5] (/**)')))
      const peer = service.as(orders)
      assert.equal((await peer.fetch('/admin')).status, 200)
      const end = Date.parse(until)
      const clock = context.mock.method(Date, 'now', () => end - 1)
      assert.equal((await peer.fetch('/admin')).status, 200)
      clock.mock.mockImplementation(() => end)
      assert.equal((await peer.fetch('/admin')).status, 403)
      assert.equal((await peer.fetch('/open/broken')).status, 503)
      assert.equal((await peer.fetch('/open/x', { method: 'POST' })).status, 403)
      assert.equal(service.guard.auditReport().requests, 2)
    })

    test(`${setup.name}: opens nothing to anonymous callers`, async (context) => {
      const rules = [
        { path: '/admin', allow: anyOf(authenticated(), anonymous()), audit },
        { path: '/open/x', allow: authenticated(), audit },
        { path: '/open/**', allow: permitAll() },
        ...everywhere(authenticated()),
      ]
      const service = await startService(context, setup, { source, rules, permissive: { until } })
      // Of an anonymous caller, the rules in audit mode are required as well as those in force.
      for (const [path, status] of [
        ['/admin', 401],
        ['/open/x', 401],
        ['/open', 200],
      ] as const) {
        assert.equal((await service.as(null).fetch(path)).status, status, path)
      }
      assert.equal(service.guard.auditReport().requests, 0)
    })

    test(`${setup.name}: several audits end one after the other`, async (context) => {
      const later = new Date(Date.parse(until) + 600_000).toISOString()
      const rules = [
        { path: '/admin', allow: isAdmin, audit },
        { path: '/open/x', allow: isAdmin, audit: { until: later } },
        ...everywhere(authenticated()),
      ]
      const service = await startService(context, setup, { source, rules })
      const peer = service.as(orders)
      const ask = async (): Promise<readonly number[]> => [
        (await peer.fetch('/admin')).status,
        (await peer.fetch('/open/x')).status,
      ]
      assert.deepEqual(await ask(), [200, 200])
      const clock = context.mock.method(Date, 'now', () => Date.parse(until))
      assert.deepEqual(await ask(), [403, 200])
      clock.mock.mockImplementation(() => Date.parse(later))
      assert.deepEqual(await ask(), [403, 403])
    })
  }

  for (const [what, rules, code] of unsuitable) {
    test(`refuses to start if ${what}`, () => {
      assert.throws(() => createGuard({ source, rules, log: () => undefined }), { code })
    })
  }

  test('Fastify: does not start if a route is only covered by a rule in audit mode', async () => {
    for (const rules of [
      [
        { path: '/admin', allow: isAdmin, audit },
        { path: '/open', allow: authenticated() },
      ],
      [
        { path: '/admin', allow: isAdmin, audit },
        { path: '/**', allow: perRoute() },
      ],
    ]) {
      const guard = createGuard({ source, rules, log: () => undefined })
      const app = Fastify({ https: guard.tlsOptions() })
      await app.register(countersign, { guard })
      app.get('/admin', () => 'admin')
      await assert.rejects(async () => app.ready(), { code: 'route_uncovered' })
    }
  })

  test('does not start if a rule becomes unreachable for its router without the audited ones', async (context) => {
    // Without the first rule, a router that ignores case cannot tell the others apart.
    const rules = [
      { path: '/Admin', allow: isAdmin },
      { path: '/admin', allow: serviceAccounts('production/orders'), audit },
      ...everywhere(authenticated()),
    ]
    const guard = createGuard({ source, rules, log: () => undefined })
    const app = express().use(countersignExpress(guard))
    const server = createServer(guard, app)
    context.after(() => server.close())
    const failed = new Promise((resolve) => server.once('error', resolve))
    server.listen(0, '127.0.0.1')
    const error = await failed
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, 'rule_unreachable')
  })
})
