import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import { describe, test } from 'node:test'
import {
  anonymous,
  anyOf,
  authenticated,
  custom,
  denyAll,
  hasAuthority,
  permitAll,
  perRoute,
  type Rule,
  serviceAccounts,
} from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { assertSameDecision, followDecisions } from './audit-pair.ts'
import {
  everywhere,
  idOf,
  keepConnection,
  sendRaw,
  type Service,
  setups,
  startService,
  upgrade,
} from './credential-service.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const [orders, admin] = [await authority.issue(idOf('orders')), await authority.issue(idOf('admin-ui'))]
const until = new Date(Date.now() + 3_600_000).toISOString()
const mode = { audit: { until } }
const narrowed = serviceAccounts('production/admin-ui')

const rules: readonly Rule[] = [
  { path: '/admin', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/open/broken', allow: custom('broken', () => assert.fail('the directory is down')) },
  { path: '/open/custom', allow: custom('by header', ({ headers }) => headers['x-pass'] === 'yes') },
  { path: '/open/closed/**', allow: denyAll() },
  { path: '/open/*/only', allow: anyOf(hasAuthority('SERVICE_admin-ui'), hasAuthority('SERVICE_reports')) },
  { path: '/open/**', allow: authenticated() },
  { path: '/long', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/narrowed', allow: authenticated() },
  { path: '/child', allow: hasAuthority('SERVICE_orders') },
]

interface Call {
  readonly path: string
  readonly svid?: TestSvid
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
}

const calls: readonly Call[] = [
  ...['/admin', '/open', '/open/x', '/narrowed', '/child'].flatMap((path) => [{ path }, { path, svid: admin }]),
  { path: '/open/broken' },
  { path: '/open/custom' },
  { path: '/open/custom', headers: { 'x-pass': 'yes' } },
  { path: '/open/closed/a/b', svid: admin },
  { path: '/open/a/only' },
  { path: '/open/a/only', svid: admin },
  { path: '/admin', method: 'POST' },
  { path: '/admin', method: 'HEAD' },
  { path: '/admin?a=1&b=%2F' },
  { path: '/missing' },
  { path: '/open/%61' },
  { path: '/%61dmin' },
  { path: '/ADMIN' },
  { path: '/admin/' },
  { path: '/admin', headers: { expect: '100-continue' } },
  { path: '/narrowed', headers: { expect: '100-continue' } },
  { path: '/open', headers: { expect: '100-continue' } },
  // Enforced in any mode.
  { path: '/open//x' },
  { path: '/open/../admin' },
  { path: '/open/a%2Fb' },
  { path: '/open', method: 'PROPFIND' },
]

describe('promise 13: audit mode never changes the answer, and reports the denial that enforcement would make', () => {
  for (const setup of setups) {
    test(`${setup.name}: every answer is that of a guard that permits, and every would-be decision that of one that enforces`, async (context) => {
      const published = followDecisions(context)
      const auditing = await startService(context, setup, { source, rules, narrowed, mode })
      const enforcing = await startService(context, setup, { source, rules, narrowed })
      const permitting = await startService(context, setup, {
        source,
        rules: everywhere(authenticated()),
        narrowed: authenticated(),
      })
      let denied = 0
      for (const call of [...calls, ...calls]) {
        const what = JSON.stringify({ ...call, svid: call.svid?.spiffeId })
        let [answer, expected, enforced] = ['', '', '']
        const would = await published.during(async () => (answer = await send(auditing, call)))
        const does = await published.during(async () => (enforced = await send(enforcing, call)))
        await published.during(async () => (expected = await send(permitting, call)))
        assert.equal(answer.replace(/"instance":"[^"]*"/, ''), expected.replace(/"instance":"[^"]*"/, ''), what)
        if (answer.startsWith('400')) {
          assert.deepEqual(would, does, what)
          continue
        }
        assertSameDecision(would, does, what)
        assert.equal(would[0]?.denial === undefined, answer === enforced, what)
        denied += would[0]?.denial === undefined ? 0 : 1
      }
      assert.ok(denied > calls.length / 2)
      assertCounts(auditing, published.audits, denied)
      assert.equal(enforcing.guard.auditReport().requests, 0)
    })

    test(`${setup.name}: also for upgrades, and for callers that do not wait for the answer`, async (context) => {
      const published = followDecisions(context)
      const auditing = await startService(context, setup, { source, rules, narrowed, mode })
      const enforcing = await startService(context, setup, { source, rules, narrowed })
      const begin = async (service: Service): Promise<void> => {
        const connection = await keepConnection(service, orders)
        await connection.begin()
        connection.close()
      }
      const would = await published.during(() => begin(auditing))
      const does = await published.during(() => assert.rejects(begin(enforcing)))
      assertSameDecision(would, does, '/long')
      if (!setup.http2) {
        const refused = await published.during(async () => {
          const socket = await enforcing.running.as(orders).connect()
          await sendRaw(socket, 'GET /admin HTTP/1.1', { connection: 'upgrade', upgrade: 'echo' })
        })
        assertSameDecision(await published.during(() => upgrade(auditing, orders, {}, '/admin')), refused, 'upgrade')
      }
      assertCounts(auditing, published.audits, setup.http2 ? 1 : 2)
    })

    test(`${setup.name}: whatever is about authentication stays enforced`, async (context) => {
      const anyone = everywhere(anyOf(hasAuthority('SERVICE_admin-ui'), anonymous()))
      const open = [{ path: '/admin', allow: hasAuthority('SERVICE_admin-ui') }, ...anyone]
      const service = await startService(context, setup, { source, rules: open, mode, permissive: { until } })
      assert.equal((await service.as(null).fetch('/admin')).status, 401)
      assert.equal((await service.as(null).fetch('/open')).status, 200)
      assert.equal((await service.as(orders).fetch('/admin')).status, 200)
      assert.equal((await service.as(orders).fetch('/open')).status, 200)
      for (const fault of ['expired', 'self_signed', 'ca_leaf'] as const) {
        await assert.rejects(service.as(await authority.issue(idOf('admin-ui'), { faults: [fault] })).fetch('/admin'))
      }
      const strict = await startService(context, setup, { source, rules, mode })
      await assert.rejects(strict.as(null).fetch('/open'))
      assert.equal(service.guard.auditReport().requests, 2)
    })

    test(`${setup.name}: an anonymous caller that a route refuses is denied, once`, async (context) => {
      const published = followDecisions(context)
      const options = { source, rules: everywhere(permitAll()), narrowed: authenticated(), mode, permissive: { until } }
      const service = await startService(context, setup, options)
      for (const path of ['/narrowed', '/child']) {
        const decisions = await published.during(async () => {
          assert.equal((await service.as(null).fetch(path)).status, 401)
        })
        assert.deepEqual(
          decisions.map(({ effect, principal, denial }) => [effect, principal, denial?.status]),
          [['deny', undefined, 401]],
          path,
        )
      }
      const [allowed] = await published.during(() => service.as(null).fetch('/open'))
      assert.deepEqual([allowed?.effect, allowed?.principal], ['allow', null])
      assert.equal(service.guard.auditReport().requests, 0)
    })

    test(`${setup.name}: ends without a restart, also during a request`, async (context) => {
      const service = await startService(context, setup, {
        source,
        rules,
        narrowed,
        mode: { audit: { until: new Date(Date.now() + 1_800_000).toISOString() } },
      })
      const peer = service.as(orders)
      for (const path of ['/admin', '/narrowed']) assert.equal((await peer.fetch(path)).status, 200)
      const clock = context.mock.method(
        Date,
        'now',
        (
          (now) => () =>
            now + 1_800_001
        )(Date.now()),
      )
      for (const path of ['/admin', '/narrowed']) assert.equal((await peer.fetch(path)).status, 403)
      clock.mock.restore()
      for (const path of ['/admin', '/narrowed']) assert.equal((await peer.fetch(path)).status, 200)
    })
  }

  for (const setup of setups.filter(({ framework }) => framework === 'Fastify')) {
    test(`${setup.name}: also for rules that leave requests to their route`, async (context) => {
      const published = followDecisions(context)
      const left = [
        { path: '/narrowed', allow: perRoute() },
        { path: '/child', allow: authenticated() },
        { path: '/**', allow: authenticated() },
      ]
      const auditing = await startService(context, setup, { source, rules: left, narrowed, mode })
      const enforcing = await startService(context, setup, { source, rules: left, narrowed })
      for (const call of [
        { path: '/narrowed' },
        { path: '/narrowed', svid: admin },
        { path: '/narrowed', headers: { expect: '100-continue' } },
      ]) {
        const would = await published.during(() => send(auditing, call))
        assertSameDecision(would, await published.during(() => send(enforcing, call)), JSON.stringify(call.path))
      }
      assert.equal(auditing.guard.auditReport().requests, 2)
    })
  }
})

async function send(service: Service, { path, svid = orders, method = 'GET', headers = {} }: Call): Promise<string> {
  const response = await service.as(svid).fetch(path, { method, headers })
  return `${response.status} ${await response.text()}`
}

function assertCounts({ guard }: Service, audits: readonly unknown[], denied: number): void {
  const report = guard.auditReport()
  assert.equal(report.requests, denied)
  assert.equal(
    report.entries.reduce((sum, { requests }) => sum + requests, 0),
    denied,
  )
  assert.equal(audits.length, denied)
}
