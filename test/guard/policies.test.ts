import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, createGuard, hasAuthority, permitAll, perRoute, type Policy } from '@countersign/core'
import { source, orders, admin, invoices, noExports, id, start, inAnHour } from './policy-service.ts'

test('without rules, a request needs an ALLOW policy that matches', async (context) => {
  const { running } = await start(context, { policies: { policies: [invoices, noExports] } })
  const as = running.as(orders)
  assert.equal((await as.fetch('/invoices/1')).status, 200)
  assert.equal((await as.fetch('/invoices/1', { method: 'POST' })).status, 403)
  assert.equal((await as.fetch('/other')).status, 403)
  assert.equal((await running.as(admin).fetch('/invoices/1')).status, 403)
  assert.equal((await as.fetch('/invoices/export')).status, 403)
})

test('an empty set without rules denies everything', async (context) => {
  const { running } = await start(context, { policies: {} })
  assert.equal((await running.as(orders).fetch('/')).status, 403)
})

test('with rules and no ALLOW policy, the rules decide', async (context) => {
  const rules = [{ path: '/**', allow: hasAuthority('SERVICE_orders') }]
  const { running } = await start(context, { rules, policies: { policies: [noExports] } })
  assert.equal((await running.as(orders).fetch('/other')).status, 200)
  assert.equal((await running.as(orders).fetch('/invoices/export')).status, 403)
  assert.equal((await running.as(admin).fetch('/other')).status, 403)
})

test('with rules and an ALLOW policy, both have to allow', async (context) => {
  const rules = [{ path: '/invoices/**', allow: authenticated() }]
  const { running } = await start(context, {
    rules,
    policies: { policies: [{ ...invoices, to: [{ paths: ['/**'] }] }] },
  })
  assert.equal((await running.as(orders).fetch('/invoices/1')).status, 200)
  assert.equal((await running.as(orders).fetch('/other')).status, 403)
  assert.equal((await running.as(admin).fetch('/invoices/1')).status, 403)
})

test('the rules of a set decide like those of the guard', async (context) => {
  const rules = [{ path: '/invoices/**', allow: hasAuthority('SERVICE_orders') }]
  const { running } = await start(context, { policies: { rules } })
  assert.equal((await running.as(orders).fetch('/invoices/1')).status, 200)
  assert.equal((await running.as(admin).fetch('/invoices/1')).status, 403)
})

const refusals: readonly (readonly [what: string, options: object, message: RegExp])[] = [
  [
    'rules in two places',
    {
      rules: [{ path: '/**', allow: authenticated() }],
      policies: { rules: [{ path: '/**', allow: authenticated() }] },
    },
    /in one place/,
  ],
  ['perRoute() in a set', { policies: { rules: [{ path: '/**', allow: perRoute() }] } }, /found perRoute\(\)/],
  ['an unknown field', { policies: { policys: [] } }, /policys/],
  ['a misspelled action', { policies: { policies: [{ ...invoices, action: 'ALOW' }] } }, /ALLOW/],
  ['two policies of one name', { policies: { policies: [invoices, invoices] } }, /invoices/],
  [
    'only ALLOW policies in audit mode',
    { policies: { policies: [{ ...invoices, audit: { until: inAnHour() } }] } },
    /only ALLOW policies in audit mode/,
  ],
]

for (const [what, options, message] of refusals) {
  test(`refuses ${what} at the start`, () => {
    assert.throws(() => createGuard({ source, log: () => undefined, ...options }), message)
  })
}

test('rules that allow everyone are not a finding if an ALLOW policy is required', async (context) => {
  const { guard, running } = await start(context, { policies: { policies: [invoices] } })
  assert.deepEqual(
    guard.review(running.server).map(({ id: found }) => found),
    [],
  )
})

test('a policy does not open a route to anonymous callers that the rules do not', async (context) => {
  const permissive = { until: inAnHour() }
  const everyone: Policy = { name: 'everyone', action: 'ALLOW' }
  const closed = await start(context, { permissive, policies: { policies: [everyone] } })
  assert.equal((await closed.running.as(null).fetch('/')).status, 401)
  const open = await start(context, {
    permissive,
    rules: [{ path: '/**', allow: permitAll() }],
    policies: { policies: [{ ...everyone, from: [{ notNamespaces: ['staging'] }] }] },
  })
  assert.equal((await open.running.as(null).fetch('/')).status, 401)
  assert.equal((await open.running.as(orders).fetch('/')).status, 200)
  const named = await start(context, {
    permissive,
    rules: [{ path: '/**', allow: permitAll() }],
    policies: { policies: [{ name: 'no-anonymous', action: 'DENY', from: [{ anonymous: true }] }] },
  })
  assert.equal((await named.running.as(null).fetch('/')).status, 401)
  assert.equal((await named.running.as(orders).fetch('/')).status, 200)
  const denials = named.events.filter((event) => event.type === 'denial')
  assert.deepEqual(
    denials.map(({ policy }) => policy),
    ['no-anonymous'],
  )
})

test('explain shows every layer, and the first field of a policy that did not match', async (context) => {
  const { guard } = await start(context, { policies: { policies: [invoices, noExports] } })
  const caller = id('orders')
  const allowed = guard.explain({ caller, method: 'GET', path: '/invoices/1' })
  assert.deepEqual(
    allowed.layers.map(({ layer, outcome, policy }) => [layer, outcome, policy]),
    [
      ['target', 'pass', undefined],
      ['authentication', 'pass', undefined],
      ['deny-policies', 'pass', undefined],
      ['allow-policies', 'pass', 'invoices'],
      ['rules', 'pass', undefined],
      ['route', 'skipped', undefined],
    ],
  )
  const denied = guard.explain({ caller, method: 'POST', path: '/invoices/1' })
  const layer = denied.layers.find((each) => each.layer === 'allow-policies')
  assert.deepEqual(
    layer?.policyMisses.map(({ policy, field }) => [policy, field]),
    [['invoices', 'to[0].methods']],
  )
  const address: Policy = { name: 'inside', action: 'DENY', from: [{ notIpBlocks: ['10.0.0.0/8'] }] }
  const inside = await start(context, { policies: { policies: [invoices, address] } })
  const ask = (socketAddress?: string): string =>
    inside.guard.explain({
      caller,
      method: 'GET',
      path: '/invoices/1',
      ...(socketAddress !== undefined && { socketAddress }),
    }).decision.effect
  assert.deepEqual([ask('10.1.2.3'), ask('192.0.2.1'), ask()], ['allow', 'deny', 'deny'])
})
