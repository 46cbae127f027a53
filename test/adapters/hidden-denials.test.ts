import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, createReplaceablePolicies, type Policy } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { analyticsService, billing, reasonsOf, start, variants } from './frameworks.ts'

/** What a policy denies must not hide that the request is denied for another reason, which is always enforced. */

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const caller = await authority.issue(analyticsService)
const rules = [{ path: '/**', allow: authenticated() }]
const until = new Date(Date.now() + 86_400_000).toISOString()

const denying: readonly Policy[] = [
  { name: 'nothing', action: 'DENY' },
  { name: 'elsewhere', action: 'ALLOW', to: [{ paths: ['/elsewhere'] }] },
]

for (const variant of variants.filter(({ tlsVersion }) => tlsVersion === 'TLSv1.3')) {
  test(`promise 14: a method stays unknown if only a DENY policy names it (${variant.name})`, async () => {
    const to = [{ methods: ['PROPFIND'], paths: ['/internal/billing/**'] }]
    const policies = createReplaceablePolicies({ policies: [{ name: 'no-listing', action: 'DENY', to }] })
    await using service = await start(variant, { source, rules, policies })
    await using peer = service.as(caller)
    assert.equal((await peer.fetch('/internal/health', { method: 'PROPFIND' })).status, 400)
    assert.deepEqual(service.handled, [])
    assert.deepEqual(reasonsOf(service), ['unknown_method'])
  })

  for (const policy of denying) {
    test(`promise 14: in audit mode, the ${policy.action} policies hide no ambiguous path (${variant.name})`, async () => {
      const policies = { policies: [policy] }
      await using service = await start(variant, { source, rules, policies, mode: { audit: { until } } })
      await using peer = service.as(caller)
      assert.equal((await peer.fetch('/internal/a%2Fb')).status, 400)
      assert.deepEqual(service.handled, [])
      assert.deepEqual(reasonsOf(service), ['encoded_delimiter'])
      assert.equal((await peer.fetch('/internal/health')).status, 200)
    })
  }
}

const listing = { methods: ['PROPFIND'], allow: authenticated(), audit: { until } }
const audited = {
  'a rule': { rules: [{ path: '/listed/**', ...listing }, ...rules] },
  'an ALLOW policy': {
    rules,
    policies: {
      policies: [
        { name: 'everything', action: 'ALLOW' },
        { name: 'listing', action: 'ALLOW', to: [{ methods: ['PROPFIND'] }], audit: { until } },
      ],
    },
  },
} as const

for (const [what, options] of Object.entries(audited)) {
  for (const variant of variants.filter(({ tlsVersion }) => tlsVersion === 'TLSv1.3')) {
    test(`a method stays unknown if only ${what} in audit mode names it (${variant.name})`, async () => {
      await using service = await start(variant, { source, ...options })
      await using peer = service.as(caller)
      assert.equal((await peer.fetch('/internal/health', { method: 'PROPFIND' })).status, 400)
      assert.deepEqual(service.handled, [])
      assert.equal((await peer.fetch('/internal/health')).status, 200)
    })
  }
}
