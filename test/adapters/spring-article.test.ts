import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { analyticsService, billing, coreApi, readJson, start, variants } from './frameworks.ts'

describe('the three tests of the article on Spring Security and mTLS', async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)

  for (const variant of variants) {
    test(`a request with a valid certificate is authenticated (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      const response = await service.as(await authority.issue(coreApi)).fetch('/internal/health')
      assert.equal(response.status, 200)
      assert.deepEqual(await readJson(response), { caller: coreApi })
      assert.deepEqual(service.handled, ['GET /internal/health'])
    })

    test(`a request without a certificate is rejected (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      await assert.rejects(service.as(null).fetch('/internal/health'))
      assert.equal((await service.as(await authority.issue(coreApi)).fetch('/internal/billing/invoices')).status, 200)
      assert.deepEqual(service.handled, ['GET /internal/billing/invoices'])
    })

    test(`a service reaches only the endpoints that it is authorized for (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      const peer = service.as(await authority.issue(analyticsService))
      assert.equal((await peer.fetch('/internal/analytics/data')).status, 200)
      assert.equal((await peer.fetch('/internal/billing/invoices')).status, 403)
      assert.deepEqual(service.handled, ['GET /internal/analytics/data'])
    })
  }
})
