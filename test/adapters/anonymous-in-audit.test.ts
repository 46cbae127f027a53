import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anonymous, anyOf, authenticated, hasAuthority, permitAll } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { start, variants } from './frameworks.ts'

/** A rule in audit mode is not enforced for authenticated callers. Nothing of this concerns anonymous ones. */

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing-service')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/analytics-service')
const until = new Date(Date.now() + 86_400_000).toISOString()

const later = [
  ['permitAll()', permitAll()],
  ['anonymous()', anyOf(anonymous(), authenticated())],
] as const

for (const variant of variants) {
  for (const [name, allow] of later) {
    test(`${variant.name}: a rule in audit mode opens nothing to anonymous callers, with ${name} behind it`, async () => {
      const rules = [
        { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api'), audit: { until } },
        { path: '/**', allow },
      ]
      await using service = await start(variant, { source, rules, permissive: { until } })
      await using stranger = service.as(null)
      await using known = service.as(caller)

      assert.equal((await stranger.fetch('/internal/health')).status, 200)
      assert.equal((await stranger.fetch('/internal/billing/invoices')).status, 401)
      assert.equal((await known.fetch('/internal/billing/invoices')).status, 200)
      assert.deepEqual(service.handled, ['GET /internal/health', 'GET /internal/billing/invoices'])
      const denied = service.events.filter(({ type }) => type === 'denial')
      assert.equal(denied.length, 1)
      assert.equal(denied[0]?.type === 'denial' && denied[0].rule, 0)
    })
  }
}
