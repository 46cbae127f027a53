import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  authenticated,
  channels,
  type CountersignEvent,
  createGuard,
  createReplaceablePolicies,
  type DecisionEvent,
  type Guard,
  type GuardOptions,
  hasAuthority,
  permitAll,
  perRoute,
  type Policy,
  type PolicyEvent,
} from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority, type Running, serve } from '@countersign/testkit'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

const id = (account: string): string => `spiffe://saas.example/ns/production/sa/${account}`
const authority = await createAuthority('saas.example')
const source = await authority.source(id('billing'))
const orders = await authority.issue(id('orders'))
const admin = await authority.issue(id('admin-ui'), { ttlSeconds: 1800 })

const invoices: Policy = {
  name: 'invoices',
  action: 'ALLOW',
  from: [{ serviceAccounts: ['production/orders'] }],
  to: [{ methods: ['GET'], paths: ['/invoices/**'] }],
}
const noExports: Policy = { name: 'no-exports', action: 'DENY', to: [{ paths: ['/invoices/export'] }] }
const emergency: Policy = {
  name: 'emergency',
  action: 'ALLOW',
  breakGlass: true,
  maxLifetime: '1h',
  from: [{ serviceAccounts: ['production/admin-ui'] }],
}

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
  await until(() => policyEvents(events).some(({ revision }) => revision === 'r2'))
  assert.equal((await as.fetch('/invoices/1')).status, 403)
  // @ts-expect-error not an action
  const broken: Policy = { ...invoices, action: 'PERMIT' }
  for (const revision of ['r3', 'r4']) policies.replace({ policies: [broken], revision })
  await until(() => policyEvents(events).some(({ outcome }) => outcome === 'refused'))
  assert.equal((await as.fetch('/invoices/1')).status, 403)
  policies.replace({ policies: [invoices], revision: 'r5' })
  await until(() => policyEvents(events).some(({ revision }) => revision === 'r5'))
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
  await until(() => policyEvents(events).some(({ code }) => code === 'rule_unreachable'))
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
    modes.map(({ outcome, policy }) => [outcome, policy]),
    [['started', 'no-exports']],
  )
  assert.equal((await running.as(orders).fetch('/invoices/export')).status, 200)
  assert.deepEqual(
    guard.auditReport().entries.map(({ policy, reason, requests }) => [policy, reason, requests]),
    [['no-exports', 'policy_denied', 1]],
  )
})

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

interface Started {
  readonly guard: Guard
  readonly running: Running
  readonly events: readonly CountersignEvent[]
}

async function start(context: TestContext, options: Partial<GuardOptions>): Promise<Started> {
  const events: CountersignEvent[] = []
  const guard = createGuard({ source, namespaces: ['production'], log: (event) => void events.push(event), ...options })
  const running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
  context.after(() => running.close())
  return { guard, running, events }
}

function policyEvents(events: readonly CountersignEvent[]): readonly PolicyEvent[] {
  return events.filter((event) => event.type === 'policy')
}

function followDecisions(context: TestContext): readonly DecisionEvent[] {
  const decisions: DecisionEvent[] = []
  const listener = (event: unknown): void => {
    if (isDecision(event)) decisions.push(event)
  }
  subscribe(channels.decision, listener)
  context.after(() => unsubscribe(channels.decision, listener))
  return decisions
}

function isDecision(event: unknown): event is DecisionEvent {
  return typeof event === 'object' && event !== null && 'effect' in event
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5))
}

function inAnHour(): string {
  return new Date(Date.now() + 3_600_000).toISOString()
}
