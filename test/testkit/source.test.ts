import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SourceError, type X509Material } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const billing = 'spiffe://saas.example/ns/production/sa/billing'

test('a source contains an SVID of the ID and the bundle of its trust domain', async () => {
  const authority = await createAuthority('saas.example')
  await using source = await authority.source(billing, { ttlSeconds: 60 })
  assert.equal(source.svid.spiffeId, billing)
  assert.ok(source.svid.expiresAt <= Date.now() + 60_000)
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
})

test('a source contains the given SVID', async () => {
  const authority = await createAuthority('saas.example')
  const svid = await authority.issue(billing)
  await using source = await authority.source(billing, { svid })
  assert.equal(source.svid, svid)
})

test('a source contains the bundles of federated authorities, each under its own trust domain', async () => {
  const [own, partner] = await Promise.all([createAuthority('saas.example'), createAuthority('partner.example')])
  await using source = await own.source(billing, { federated: [partner] })
  assert.deepEqual(new Set(source.current.bundles.keys()), new Set(['saas.example', 'partner.example']))
})

test('a source notifies its listeners of a rotation, and keeps what was not replaced', async () => {
  const authority = await createAuthority('saas.example')
  await using source = await authority.source(billing)
  const first = source.current
  const seen: X509Material[] = []
  const unsubscribe = source.onUpdate((material) => seen.push(material))
  const svid = await authority.issue(billing)
  source.replace({ svid })
  assert.equal(source.svid, svid)
  assert.deepEqual(seen, [source.current])
  assert.notEqual(source.current, first)
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
  unsubscribe()
  source.replace({ svid: await authority.issue(billing) })
  assert.equal(seen.length, 1)
})

test('a source accepts bundles as PEM, as one authority and as several', async () => {
  const [first, second, partner] = await Promise.all([
    createAuthority('saas.example'),
    createAuthority('saas.example'),
    createAuthority('partner.example'),
  ])
  await using source = await first.source(billing)
  source.replace({ bundles: { 'saas.example': [first, second], 'partner.example': partner } })
  assert.deepEqual(new Set(source.current.bundles.keys()), new Set(['saas.example', 'partner.example']))
  source.replace({ bundles: { 'saas.example': first.bundlePem } })
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
})

test('a withdrawn source has no material until it is given some', async () => {
  const authority = await createAuthority('saas.example')
  await using source = await authority.source(billing)
  source.withdraw()
  assert.throws(() => source.current, { code: 'source_empty' })
  assert.equal(source.svid.spiffeId, billing)
  source.replace({ svid: await authority.issue(billing) })
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
  const reason = new SourceError('source_expired', 'the SVID has expired')
  source.withdraw(reason)
  assert.throws(() => source.current, { code: 'source_expired' })
})
