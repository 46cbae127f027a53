import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyCrls } from '@countersign/spiffe'
import { CertificateError, createMaterial, X509Bundle, type X509Material } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { type CrlContent, crlOf } from '../trust/crls.ts'

const authority = await createAuthority('saas.example')
const svid = await authority.issue('spiffe://saas.example/ns/production/sa/billing')

function createWith(...contents: readonly CrlContent[]): X509Material {
  const bundle = X509Bundle.parse('saas.example', authority.bundlePem)
  const crls = contents.map((content) => crlOf(authority, content))
  const bundles = applyCrls(new Map([['saas.example', bundle]]), crls, new Set(['saas.example']))
  return createMaterial({ key: svid.keyPem, cert: svid.certificatePem, bundles: Object.fromEntries(bundles) })
}

test('rejects our own SVID if it is revoked, and says so', () => {
  assert.throws(
    () => createWith({ revoked: [svid] }),
    (error) => error instanceof CertificateError && error.code === 'svid_unusable' && error.value === 'revoked',
  )
})

test('accepts our own SVID without a current list, because its peers have their own lists', () => {
  const { expiresAt } = createMaterial({
    key: svid.keyPem,
    cert: svid.certificatePem,
    bundles: { 'saas.example': authority.bundlePem },
  }).svid
  assert.equal(createWith().svid.expiresAt, expiresAt)
  assert.equal(createWith({ nextUpdate: Date.now() - 1000 }).svid.expiresAt, expiresAt)
  assert.equal(createWith({ nextUpdate: Date.now() + 60_000 }).svid.expiresAt, expiresAt)
})
