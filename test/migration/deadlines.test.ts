import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { authenticated, type CountersignEvent, createGuard, permitAll } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import { createAuthority } from '@countersign/testkit'
import express from 'express'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const rules = [{ path: '/**', allow: permitAll() }]

test('starts and ends once, with several servers', async (context) => {
  const now = Math.ceil(Date.now() / 1000) * 1000
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now })
  const pass = (milliseconds: number): void => context.mock.timers.tick(milliseconds)
  const until = new Date(now + 60_000).toISOString()
  const { servers, outcomes } = startServers(context, until)
  for (const server of servers) await listen(server)
  pass(59_999)
  assert.deepEqual(outcomes(), ['started', 'started', 'started'])
  pass(1)
  assert.deepEqual(outcomes().slice(3), ['ended', 'ended', 'ended'])
  pass(120_000)
  assert.equal(outcomes().length, 6)
})

for (const [what, isOpen] of [
  ['servers that listen again before the end', true],
  ['servers that listen again after it', false],
] as const) {
  test(`starts and ends once, with ${what}`, async (context) => {
    const end = Date.now() + 2000
    const { servers, outcomes } = startServers(context, new Date(end).toISOString())
    for (const server of servers) await listen(server)
    for (const server of servers) await close(server)
    if (!isOpen) await wait(end - Date.now() + 50)
    for (const server of servers) await listen(server)
    while (outcomes().length < 6) await wait(10)
    for (const server of servers) await close(server)
    for (const server of servers) await listen(server)
    await wait(50)
    assert.deepEqual(outcomes().slice(3), ['ended', 'ended', 'ended'])
  })
}

const day = 86_400_000
const later = (milliseconds: number): string => new Date(Date.now() + milliseconds).toISOString()

const invalid: readonly (readonly [string, unknown])[] = [
  ['without a time zone', later(day).slice(0, 19)],
  ['without a time', later(day).slice(0, 10)],
  ['that is a time stamp', Date.now() + day],
  ['that is a Date', new Date(Date.now() + day)],
  ['that is missing', undefined],
  ['on 30 February', '2027-02-30T00:00:00Z'],
  ['on 29 February of another year', '2027-02-29T00:00:00Z'],
  ['at 25 o’clock', '2027-01-01T25:00:00Z'],
  ['367 days ahead', later(367 * day)],
  ['far ahead', '9999-12-31T23:59:59Z'],
  ['in words', 'next year'],
]

const valid: readonly string[] = [
  later(365 * day),
  later(day).replace('Z', '+02:00'),
  later(day).replace(/\.\d+Z/, 'Z'),
  '2026-01-01T00:00:00Z',
]

for (const [what, until] of invalid) {
  test(`refuses a deadline ${what}`, () => {
    for (const options of [{ permissive: { until } }, { mode: { audit: { until } } }]) {
      const given = { source, rules, log: () => undefined, ...options }
      assert.throws(() => Reflect.apply(createGuard, undefined, [given]), { code: 'option_invalid' })
    }
  })
}

for (const until of valid) {
  test(`accepts the deadline ${until}`, () => {
    for (const options of [{ permissive: { until } }, { mode: { audit: { until } } }]) {
      createGuard({ source, rules, log: () => undefined, ...options })
    }
  })
}

interface Servers {
  readonly servers: readonly Server[]
  readonly outcomes: () => readonly string[]
}

/** Two servers of a guard in which everything that can end does so at this time. */
function startServers(context: TestContext, until: string): Servers {
  const events: CountersignEvent[] = []
  const audited = { path: '/admin', allow: authenticated(), audit: { until } }
  const options = { permissive: { until }, mode: { audit: { until } }, rules: [audited, ...rules] }
  const guard = createGuard({ source, ...options, log: (event) => void events.push(event) })
  const servers = [1, 2].map(() => createServer(guard, express().use(countersign(guard))))
  for (const server of servers) context.after(() => server.close())
  return { servers, outcomes: () => events.flatMap((event) => (event.type === 'mode' ? [event.outcome] : [])) }
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
