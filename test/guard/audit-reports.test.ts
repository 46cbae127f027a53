import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { authenticated, createReplaceablePolicies, hasAuthority, permitAll, type Rule } from '@countersign/core'
import { inAnHour, start } from './policy-service.ts'
import { waitUntil } from '../support/wait-until.ts'

/** What an audit opens is reported, at the start and after each update. */

const audit = { until: inAnHour() }
const everywhere: Rule = { path: '/**', allow: authenticated() }
const getOnly: Rule = { path: '/x/**', methods: ['GET'], allow: hasAuthority('SERVICE_orders') }
const audited: Rule = { path: '/x', allow: hasAuthority('SERVICE_admin-ui'), audit }

const falls: readonly (readonly [rule: Rule, to: readonly string[], not: readonly string[]])[] = [
  [audited, ['rules[1]', 'rules[2]'], []],
  [{ ...audited, methods: ['GET', 'DELETE'] }, ['rules[1]', 'rules[2]'], []],
  [{ ...audited, methods: ['GET'] }, ['rules[1]'], ['rules[2]']],
  [{ ...audited, methods: ['DELETE'] }, ['rules[2]'], ['rules[1]']],
  [{ ...audited, methods: ['PROPFIND'] }, ['PROPFIND'], ['rules[1]', 'rules[2]']],
]

for (const [rule, to, not] of falls) {
  test(`reports every rule to which requests of an audited rule fall, for ${rule.methods?.join() ?? 'all methods'}`, async (context) => {
    const rules = [rule, getOnly, everywhere]
    const first = await start(context, { rules })
    const policies = createReplaceablePolicies({ rules: [everywhere], revision: 'r1' })
    const replaced = await start(context, { policies })
    policies.replace({ rules, revision: 'r2' })
    await waitUntil(() => replaced.events.some(({ type }) => type === 'mode'))
    for (const { events } of [first, replaced]) {
      const modes = events.filter((event) => event.type === 'mode')
      assert.equal(modes.length, 1)
      const reported = String(modes[0]?.detail).split('; ')[1] ?? ''
      for (const text of to) assert.ok(reported.includes(text), reported)
      for (const text of not) assert.ok(!reported.includes(text), reported)
    }
  })
}

test('reports thousands of audits without delaying requests, until another revision decides', async (context) => {
  const policies = createReplaceablePolicies({ rules: [everywhere], revision: 'r1' })
  const { events } = await start(context, { policies })
  const count = (): number => events.filter(({ type }) => type === 'mode').length
  const rules = Array.from({ length: 10_000 }, (_, index) => ({ ...audited, path: `/x/${index}` }))
  const load = async (revision: string): Promise<void> => {
    policies.replace({ rules: [...rules, everywhere], revision })
    await waitUntil(() => events.some((event) => event.type === 'policy' && event.revision === revision))
  }
  await load('r2')
  // Other work has its turn in between.
  assert.ok(count() < 10_000)
  await waitUntil(() => count() >= 10_000)
  assert.equal(count(), 10_000)

  await load('r3')
  assert.ok(count() < 20_000)
  policies.replace({ rules: [everywhere], revision: 'r4' })
  await waitUntil(() => events.some((event) => event.type === 'policy' && event.revision === 'r4'))
  const reported = count()
  for (let times = 0; times < 50; times += 1) await turn()
  assert.equal(count(), reported)
})

test('what an update opens to anonymous callers in permissive mode is reported, like what is open at the start', async (context) => {
  const policies = createReplaceablePolicies({ rules: [everywhere], revision: 'r1' })
  const { events, running } = await start(context, { policies, permissive: { until: inAnHour() } })
  const load = async (rules: readonly Rule[], revision: string): Promise<void> => {
    policies.replace({ rules, revision })
    await waitUntil(() => events.some((event) => event.type === 'policy' && event.revision === revision))
  }
  const reported = (): readonly unknown[] =>
    events.flatMap((event) => (event.type === 'mode' && event.mode === 'permissive' ? [event.routes] : []))
  assert.deepEqual(reported(), [[]])
  await using stranger = running.as(null)
  assert.equal((await stranger.fetch('/open')).status, 401)

  const open: Rule = { path: '/open', allow: permitAll() }
  await load([open, everywhere], 'r2')
  assert.equal((await stranger.fetch('/open')).status, 200)
  assert.deepEqual(reported(), [[], ['rules[0] (/open)']])
  await load([open, getOnly, everywhere], 'r3')
  await load([everywhere], 'r4')
  assert.equal(reported().length, 2)
  await load([open, everywhere], 'r5')
  assert.equal(reported().length, 3)
})
