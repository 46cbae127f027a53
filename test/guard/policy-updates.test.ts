import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, createReplaceablePolicies, hasAuthority, type Policy } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import {
  authority,
  orders,
  admin,
  invoices,
  noExports,
  emergency,
  id,
  start,
  policyEvents,
  followDecisions,
  inAnHour,
} from './policy-service.ts'
import { waitUntil } from '../support/wait-until.ts'

test('decisions name the policy, the revision and the credential', async (context) => {
  const decisions = followDecisions(context)
  const { running, events } = await start(context, { policies: { policies: [invoices, noExports], revision: 'r1' } })
  await running.as(orders).fetch('/invoices/1')
  await running.as(orders).fetch('/invoices/export')
  await running.as(orders).fetch('/other')
  assert.deepEqual(
    decisions.map((each) => [
      each.effect,
      each.policy,
      each.revision,
      each.credential,
      'reason' in each ? each.reason : undefined,
    ]),
    [
      ['allow', 'invoices', 'r1', 'x509-svid', undefined],
      ['deny', 'no-exports', 'r1', 'x509-svid', 'policy_denied'],
      ['deny', undefined, 'r1', 'x509-svid', 'no_policy'],
    ],
  )
  const denials = events.filter((event) => event.type === 'denial')
  assert.deepEqual(
    denials.map(({ policy, revision }) => [policy, revision]),
    [
      ['no-exports', 'r1'],
      [undefined, 'r1'],
    ],
  )
})

test('the revision of a set in code is the hash of its content, whatever the order of its keys', async (context) => {
  const { from, ...rest } = invoices
  const first = await start(context, { policies: { policies: [invoices] } })
  const second = await start(context, { policies: { policies: [{ ...(from !== undefined && { from }), ...rest }] } })
  const other = await start(context, { policies: { policies: [invoices, noExports] } })
  const revisions = [first, second, other].map(({ events }) => policyEvents(events)[0]?.revision)
  assert.match(String(revisions[0]), /^sha256:[0-9a-f]{64}$/)
  assert.equal(revisions[0], revisions[1])
  assert.notEqual(revisions[0], revisions[2])
})

test('a replaced set decides from then on; a broken one changes nothing and is reported once', async (context) => {
  const policies = createReplaceablePolicies({ policies: [invoices], revision: 'r1' })
  const { running, events } = await start(context, { policies })
  const as = running.as(orders)
  policies.replace({ policies: [invoices, { ...noExports, to: [{ paths: ['/**'] }] }], revision: 'r2' })
  await waitUntil(() => policyEvents(events).some(({ revision }) => revision === 'r2'))
  assert.equal((await as.fetch('/invoices/1')).status, 403)
  // @ts-expect-error not an action
  const broken: Policy = { ...invoices, action: 'PERMIT' }
  for (const revision of ['r3', 'r4']) policies.replace({ policies: [broken], revision })
  await waitUntil(() => policyEvents(events).some(({ outcome }) => outcome === 'refused'))
  assert.equal((await as.fetch('/invoices/1')).status, 403)
  policies.replace({ policies: [invoices], revision: 'r5' })
  await waitUntil(() => policyEvents(events).some(({ revision }) => revision === 'r5'))
  assert.equal((await as.fetch('/invoices/1')).status, 200)
  assert.deepEqual(
    policyEvents(events).map(({ outcome, revision }) => [outcome, revision]),
    [
      ['loaded', 'r1'],
      ['loaded', 'r2'],
      ['refused', 'r2'],
      ['recovered', 'r5'],
      ['loaded', 'r5'],
    ],
  )
})

test('rules of a replaced set that a router could never reach are refused', async (context) => {
  const policies = createReplaceablePolicies({ rules: [{ path: '/a', allow: authenticated() }] })
  const { guard, events } = await start(context, { policies })
  forAdapter(guard).checkSemantics({ foldCase: 'ascii', foldTrailingSlash: false })
  policies.replace({
    rules: [
      { path: '/a', allow: authenticated() },
      { path: '/A', allow: hasAuthority('SERVICE_orders') },
    ],
  })
  await waitUntil(() => policyEvents(events).some(({ code }) => code === 'rule_unreachable'))
})

test('an emergency policy is an ordinary ALLOW policy whose use is reported, and that overrides nothing', async (context) => {
  const { running, events, guard } = await start(context, { policies: { policies: [invoices, noExports, emergency] } })
  const long = await authority.issue(id('admin-ui'), { ttlSeconds: 7200 })
  assert.equal((await running.as(long).fetch('/other')).status, 403)
  assert.equal((await running.as(orders).fetch('/invoices/1')).status, 200)
  assert.deepEqual(
    policyEvents(events).filter(({ outcome }) => outcome === 'break-glass'),
    [],
  )
  for (let count = 0; count < 3; count += 1) assert.equal((await running.as(admin).fetch('/other')).status, 200)
  assert.equal((await running.as(admin).fetch('/invoices/export')).status, 403)
  const used = policyEvents(events).filter(({ outcome }) => outcome === 'break-glass')
  assert.deepEqual(
    used.map(({ policy, principal, requests }) => [policy, principal, requests]),
    [['emergency', id('admin-ui'), 1]],
  )
  assert.ok(guard.review(running.server).some(({ id: found }) => found === 'break_glass'))
})

test('a policy in audit mode is reported at the start, is not enforced, and its denials are counted', async (context) => {
  const audit = { until: inAnHour() }
  const { running, events, guard } = await start(context, {
    rules: [{ path: '/**', allow: authenticated() }],
    policies: { policies: [{ ...noExports, audit }] },
  })
  const modes = events.filter((event) => event.type === 'mode')
  assert.deepEqual(
    modes.map(({ outcome, policy, revision }) => [outcome, policy, revision]),
    [['started', 'no-exports', policyEvents(events)[0]?.revision]],
  )
  assert.equal((await running.as(orders).fetch('/invoices/export')).status, 200)
  assert.deepEqual(
    guard.auditReport().entries.map(({ policy, reason, requests }) => [policy, reason, requests]),
    [['no-exports', 'policy_denied', 1]],
  )
})

test('the use of an emergency policy is reported also if a policy in audit mode would deny the request', async (context) => {
  const audit = { until: inAnHour() }
  const tried: Policy = { name: 'tried', action: 'DENY', from: [{ serviceAccounts: ['production/admin-ui'] }], audit }
  const { running, events } = await start(context, { policies: { policies: [invoices, emergency, tried] } })
  assert.equal((await running.as(admin).fetch('/invoices/1')).status, 200)
  const used = policyEvents(events).filter(({ outcome }) => outcome === 'break-glass')
  assert.deepEqual(
    used.map(({ policy }) => policy),
    ['emergency'],
  )
  assert.equal(events.filter(({ type }) => type === 'audit').length, 1)
})

test('an emergency policy is not used by a request that only audit mode allows', async (context) => {
  const rules = [{ path: '/**', allow: hasAuthority('SERVICE_orders') }]
  const mode = { audit: { until: inAnHour() } }
  const { running, events } = await start(context, { rules, mode, policies: { policies: [invoices, emergency] } })
  assert.equal((await running.as(admin).fetch('/invoices/1')).status, 200)
  await waitUntil(() => events.some(({ type }) => type === 'audit'))
  assert.deepEqual(
    policyEvents(events).filter(({ outcome }) => outcome === 'break-glass'),
    [],
  )
})
