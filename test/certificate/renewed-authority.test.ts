import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMaterial } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const ours = 'spiffe://saas.example/ns/production/sa/billing'

test('certificates of a renewed authority do not expire with its old certificate, whatever the order in the bundle', async () => {
  const old = await createAuthority('saas.example', { ttlSeconds: 60 })
  const renewed = await createAuthority('saas.example', { key: old.key })
  const { keyPem, certificatePem } = await renewed.issue(ours, { ttlSeconds: 3600 })
  for (const authorities of [
    [old, renewed],
    [renewed, old],
  ]) {
    const bundle = authorities.map(({ bundlePem }) => bundlePem).join('')
    const { svid } = createMaterial({ key: keyPem, cert: certificatePem, bundles: { 'saas.example': bundle } })
    assert.equal(svid.expiresAt, svid.notAfter)
  }
})
