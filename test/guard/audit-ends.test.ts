import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, createGuard, createReplaceablePolicies, type Policy, type Rule } from '@countersign/core'
import { noExports, orders, policyEvents, source, start } from './policy-service.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Each end of an audit changes what is enforced, and needs rules and policies that are indexed by themselves. */

const hour = 3_600_000
const everywhere: Rule = { path: '/**', allow: authenticated() }
const inHours = (hours: number): { readonly until: string } => ({
  until: new Date(Math.ceil(Date.now() / hour) * hour + hours * hour).toISOString(),
})
const auditedRules = (ends: readonly number[]): readonly Rule[] => [
  ...ends.map((end, index) => ({ path: `/${index}`, allow: authenticated(), audit: inHours(end) })),
  everywhere,
]
const auditedPolicies = (ends: readonly number[]): readonly Policy[] =>
  ends.map((end, index) => ({ name: `p${index}`, action: 'DENY', audit: inHours(end) }))
const eight = [0, 1, 2, 3, 4, 5, 6, 7]

test('accepts audits of rules and policies that end at eight times together', () => {
  const policies = auditedPolicies([...eight, ...eight])
  createGuard({ source, policies: { rules: auditedRules([...eight, ...eight]), policies }, log: () => undefined })
})

test('refuses audits that end at more than eight times, at the start', () => {
  for (const set of [
    { rules: auditedRules([...eight, 8]) },
    { rules: auditedRules(eight), policies: auditedPolicies([8]) },
    { rules: [everywhere], policies: auditedPolicies([...eight, 8]) },
  ]) {
    assert.throws(() => createGuard({ source, policies: set, log: () => undefined }), {
      code: 'option_invalid',
      message: /9 different times/,
    })
  }
})

test('accepts any number of audits that have ended', () => {
  const policies = auditedPolicies([...eight, ...eight.map((end) => -2 - end), 7])
  createGuard({ source, policies: { rules: [everywhere], policies }, log: () => undefined })
})

test('one document cannot use up the memory: a set with thousands of ends is refused, and the last one stays', async (context) => {
  const policies = createReplaceablePolicies({ rules: [everywhere], policies: [noExports], revision: 'r1' })
  const { running, events } = await start(context, { policies })
  const ends = Array.from({ length: 5000 }, (_, index) => index / 1000)
  policies.replace({ rules: auditedRules(ends), policies: auditedPolicies(ends), revision: 'r2' })
  await waitUntil(() => policyEvents(events).length === 2)
  assert.deepEqual(
    policyEvents(events).map(({ outcome, revision, code }) => [outcome, revision, code]),
    [
      ['loaded', 'r1', undefined],
      ['refused', 'r1', 'option_invalid'],
    ],
  )
  assert.equal((await running.as(orders).fetch('/invoices/export')).status, 403)
  assert.equal((await running.as(orders).fetch('/invoices/1')).status, 200)
})
