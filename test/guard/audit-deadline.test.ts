import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, authorizer, permitAll, type Policy } from '@countersign/core'
import { inAnHour, start } from './policy-service.ts'

/** The audit of a rule or a policy may end while a request waits for the authorizer. */

const rule = { path: '/internal/**', allow: authenticated() }
const policy: Policy = {
  name: 'no-strangers',
  action: 'DENY',
  from: [{ anonymous: true }],
  to: [{ paths: ['/internal/**'] }],
}
const everywhere = { path: '/**', allow: permitAll() }

for (const what of ['rule', 'policy'] as const) {
  test(`an anonymous caller does not get past a ${what} whose audit ends while its request waits`, async (context) => {
    const now = Date.now.bind(Date)
    let passed = 0
    context.mock.method(Date, 'now', () => now() + passed)
    const audit = { until: new Date(now() + 600_000).toISOString() }
    const { running } = await start(context, {
      ...(what === 'rule'
        ? { rules: [{ ...rule, audit }, everywhere] }
        : { rules: [everywhere], policies: { policies: [{ ...policy, audit }] } }),
      permissive: { until: inAnHour() },
      authorizer: authorizer({
        name: 'slow',
        decide: async ({ headers }) => {
          if (headers['x-wait']?.[0] === 'long') passed = 700_000
          return true
        },
        headers: ['x-wait'],
      }),
    })
    await using stranger = running.as(null)
    assert.equal((await stranger.fetch('/open')).status, 200)
    assert.equal((await stranger.fetch('/internal/x')).status, 401)
    assert.equal((await stranger.fetch('/internal/x', { headers: { 'x-wait': 'long' } })).status, 401)
    assert.equal(passed, 700_000)
    assert.equal((await stranger.fetch('/internal/x')).status, 401)
    assert.equal((await stranger.fetch('/open')).status, 200)
  })
}
