import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority, createKey, type TestSvid } from '@countersign/testkit'
import { VerdictCache } from '../../packages/core/src/connection/verdict-cache.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { authority, bundlesOf, callerId } from '../svid/claims.ts'
import { bundles, Presenter, proofOf, reasonOf } from './presenter.ts'

test('verifies a leaf once under a bundle, and returns the same proof again', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const first = proofOf(presenter.present(svid))
  assert.equal(proofOf(presenter.present(svid)), first)
  assert.equal(presenter.reads, 1)
})

test('refuses a chain for another leaf than that of the handshake, and caches nothing of it', async () => {
  const cache = new VerdictCache()
  const [shown, proved] = [await authority.issue(callerId), await authority.issue(callerId)]
  const [leafDer] = proved.certificates
  assert.ok(leafDer)
  const trust = createSvidTrust(bundles)
  const verdict = cache.verify({ leafDer, readChain: () => shown.certificates, trust, additional: [], now: Date.now() })
  assert.equal(reasonOf(verdict), 'certificate_mismatch')
  assert.equal(cache.bytes, 0)
})

test('renews a proof under another bundle that contains its authority, without examining the chain', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const first = proofOf(presenter.present(svid))
  const next = await createAuthority('saas.example')
  const again = proofOf(presenter.present(svid, { bundles: bundlesOf(authority, next) }))
  assert.notEqual(again, first)
  assert.deepEqual([again.leaf, again.path, again.expiresAt], [first.leaf, first.path, first.expiresAt])
  assert.equal(presenter.reads, 1)
})

test('does not renew an expired proof', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const { expiresAt } = proofOf(presenter.present(svid))
  assert.equal(reasonOf(presenter.present(svid, { bundles: bundlesOf(authority), now: expiresAt })), 'expired')
})

test('verifies again under a bundle without the authority of the proof', async () => {
  const presenter = new Presenter()
  const next = await createAuthority('saas.example', { name: 'next' })
  const crossed = await next.crossSign(authority)
  const svid = await authority.issue(callerId)
  const [leaf] = svid.certificates
  assert.ok(leaf)
  proofOf(presenter.present({ certificates: [leaf, crossed.certificateDer] }))
  const again = presenter.present({ certificates: [leaf, crossed.certificateDer] }, { bundles: bundlesOf(next) })
  assert.equal(proofOf(again).path.length, 3)
  assert.equal(presenter.reads, 2)
})

test('refuses a known leaf once its authority or its bundle is removed', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const next = await createAuthority('saas.example')
  proofOf(presenter.present(svid))
  assert.equal(reasonOf(presenter.present(svid, { bundles: bundlesOf(next) })), 'signature_invalid')
  proofOf(presenter.present(svid))
  assert.equal(reasonOf(presenter.present(svid, { bundles: new Map() })), 'trust_domain_unknown')
})

test('is not affected by a new bundle of another trust domain', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const partner = await createAuthority('partner.example')
  const first = proofOf(presenter.present(svid))
  const more = new Map([...bundles, ...bundlesOf(partner)])
  assert.equal(proofOf(presenter.present(svid, { bundles: more })), first)
})

test('refuses a known leaf from the moment it expires', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const { expiresAt } = proofOf(presenter.present(svid))
  proofOf(presenter.present(svid, { now: expiresAt - 1 }))
  assert.equal(reasonOf(presenter.present(svid, { now: expiresAt })), 'expired')
})

test('does not cache a refusal', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId, { faults: ['bad_signature'] })
  presenter.present(svid)
  assert.equal(reasonOf(presenter.present(svid)), 'signature_invalid')
  assert.equal(presenter.reads, 2)
})

test('accepts a leaf that was refused before it became valid', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId, { faults: ['not_yet_valid'] })
  assert.equal(reasonOf(presenter.present(svid)), 'not_yet_valid')
  proofOf(presenter.present(svid, { now: Date.now() + 5_400_000 }))
})

test('forgets a known leaf when it refuses it', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  proofOf(presenter.present(svid))
  presenter.present(svid, { bundles: new Map() })
  proofOf(presenter.present(svid))
  assert.equal(presenter.reads, 3)
})

test('does not confuse a leaf with another that has the same name, key and serial number', async () => {
  const presenter = new Presenter()
  const svid = await authority.issue(callerId)
  const [leaf] = svid.certificates
  assert.ok(leaf)
  const forged = Buffer.from(leaf)
  forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1)
  proofOf(presenter.present(svid))
  assert.equal(reasonOf(presenter.present({ certificates: [forged] })), 'signature_invalid')
})

test('keeps at most the limit of verdicts, and drops the oldest first', async () => {
  const presenter = new Presenter(new VerdictCache(3))
  const svids = await Promise.all(Array.from({ length: 4 }, () => authority.issue(callerId)))
  const [first, second, third, fourth] = svids
  assert.ok(first && second && third && fourth)
  for (const svid of svids) presenter.present(svid)
  for (const svid of [second, third, fourth]) presenter.present(svid)
  assert.equal(presenter.reads, 4)
  presenter.present(first)
  assert.equal(presenter.reads, 5)
  presenter.present(second)
  assert.equal(presenter.reads, 6)
})

test('does not count a re-verified leaf twice', async () => {
  const presenter = new Presenter(new VerdictCache(2))
  const [first, second] = [await authority.issue(callerId), await authority.issue(callerId)]
  const renewed = bundlesOf(authority)
  for (const svid of [first, second]) presenter.present(svid)
  for (const svid of [first, second, first, second]) presenter.present(svid, { bundles: renewed })
  assert.equal(presenter.reads, 2)
})

test('counts a re-verified leaf as recent', async () => {
  const presenter = new Presenter(new VerdictCache(2))
  const [first, second, third] = [
    await authority.issue(callerId),
    await authority.issue(callerId),
    await authority.issue(callerId),
  ]
  const renewed = bundlesOf(authority)
  for (const svid of [first, second]) presenter.present(svid)
  for (const svid of [first, third, first]) presenter.present(svid, { bundles: renewed })
  assert.equal(presenter.reads, 3)
})

test('counts the bytes of its verdicts, more for intermediates and many names', async () => {
  const bytesOf = (svid: TestSvid): number => {
    const presenter = new Presenter()
    proofOf(presenter.present(svid))
    return presenter.cache.bytes
  }
  const plain = bytesOf(await authority.issue(callerId))
  const below = bytesOf(await (await authority.intermediate()).issue(callerId))
  const dnsNames = Array.from({ length: 1000 }, (_, index) => `a${index}`)
  const named = bytesOf(await authority.issue(callerId, { dnsNames }))
  assert.ok(plain > 5000 && plain < 10_000, `${plain}`)
  assert.ok(below > 2 * 5000 && below < 20_000, `${below}`)
  assert.ok(named > 100_000, `${named}`)
})

test('keeps no verdict from a bundle that has been replaced', async () => {
  const presenter = new Presenter()
  const next = await createAuthority('saas.example')
  for (let count = 0; count < 3; count += 1) proofOf(presenter.present(await authority.issue(callerId)))
  const before = presenter.cache.bytes
  proofOf(presenter.present(await next.issue(callerId), { bundles: bundlesOf(authority, next) }))
  assert.ok(presenter.cache.bytes > before)
  proofOf(presenter.present(await next.issue(callerId), { bundles: bundlesOf(next) }))
  assert.ok(presenter.cache.bytes < before)
})

test('verifies a chain of unusual size each time, and does not cache it', async () => {
  const presenter = new Presenter()
  const value = Buffer.concat([Buffer.of(0x04, 0x82, 0x75, 0x30), Buffer.alloc(30_000)])
  const lower = await authority.intermediate({ extensions: [{ oid: '1.3.6.1.4.1.99999.3', value }] })
  const svid = await lower.issue(callerId)
  for (const _ of [1, 2]) proofOf(presenter.present(svid))
  assert.equal(presenter.reads, 2)
})

test('completes a chain without its intermediate with one that was verified before', async () => {
  const presenter = new Presenter()
  const lower = await authority.intermediate()
  const [leaf] = (await lower.issue(callerId)).certificates
  assert.ok(leaf)
  assert.equal(reasonOf(presenter.present({ certificates: [leaf] })), 'unknown_authority')
  presenter.present(await lower.issue(callerId))
  proofOf(presenter.present({ certificates: [leaf] }))
})

test('keeps accepting new peers after more intermediates than a chain may have', async () => {
  const presenter = new Presenter()
  for (let count = 0; count < 40; count += 1) {
    const lower = await authority.intermediate({ keyIdentifiers: count % 2 === 0 })
    proofOf(presenter.present(await lower.issue(callerId)))
  }
  proofOf(presenter.present(await authority.issue(callerId)))
})

test('remembers the latest of many intermediates that renew one key', async () => {
  const presenter = new Presenter()
  const key = await createKey()
  for (let count = 0; count < 30; count += 1) {
    presenter.present(await (await authority.intermediate({ key })).issue(callerId))
  }
  const now = Date.now() + 2 * 86_400_000
  const root = await createAuthority('saas.example', { key: authority.key, ttlSeconds: 30 * 86_400 })
  const latest = await root.intermediate({ key, ttlSeconds: 30 * 86_400 })
  const [leaf, ...above] = (await latest.issue(callerId, { ttlSeconds: 20 * 86_400 })).certificates
  const [late] = (await latest.issue(callerId, { ttlSeconds: 20 * 86_400 })).certificates
  assert.ok(leaf && late)
  const later = { now, bundles: bundlesOf(root) }
  proofOf(presenter.present({ certificates: [leaf, ...above] }, later))
  proofOf(presenter.present({ certificates: [late] }, later))
})

test('verifies again through the old authority if the new bundle only has its issuer', async () => {
  const presenter = new Presenter()
  const next = await createAuthority('saas.example', { name: 'next' })
  const crossed = await next.crossSign(authority)
  const before = X509Bundle.parse('saas.example', crossed.certificatePem + next.bundlePem)
  const old = { certificates: (await authority.issue(callerId)).certificates }
  const proof = proofOf(presenter.present(old, { bundles: new Map([['saas.example', before]]) }))
  assert.equal(proof.path.length, 2)
  const verdict = presenter.verifyAgain(proof, bundlesOf(next))
  assert.equal(proofOf(verdict).path.length, 3)
})

test('verifies again a chain of the maximum length', async () => {
  const presenter = new Presenter()
  let lowest = authority
  for (let count = 0; count < 15; count += 1) lowest = await lowest.intermediate({ name: `rank ${count}` })
  const proof = proofOf(presenter.present(await lowest.issue(callerId)))
  assert.equal(proof.path.length, 17)
  const renewed = await createAuthority('saas.example', { key: authority.key })
  assert.equal(proofOf(presenter.verifyAgain(proof, bundlesOf(renewed))).path.length, 17)
})

test('refuses to renew a proof that the new bundle does not support', async () => {
  const presenter = new Presenter()
  const proof = proofOf(presenter.present(await authority.issue(callerId)))
  const next = await createAuthority('saas.example', { name: 'next' })
  assert.equal(reasonOf(presenter.verifyAgain(proof, bundlesOf(next))), 'unknown_authority')
})
