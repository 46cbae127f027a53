import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKey } from '@countersign/testkit'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { issueMany } from '../support/issue-many.ts'
import { scale } from '../support/long.ts'
import { authority, callerId } from '../svid/claims.ts'
import { bundles, Presenter, proofOf } from './presenter.ts'

const distinct = scale(10_000, 200_000)

test(`of ${distinct} SVIDs, keeps the latest 4,096 or 32 MiB, whichever is less`, async () => {
  const presenter = new Presenter()
  const trust = createSvidTrust(bundles)
  let highest = 0
  const shown: Buffer[] = []
  for await (const leaf of issueMany(authority, distinct)) {
    proofOf(presenter.present({ certificates: [leaf] }, { trust }))
    highest = Math.max(highest, presenter.cache.bytes)
    shown.push(leaf)
  }
  const most = 32 * 1024 * 1024
  assert.ok(highest <= most && highest > 0.9 * most, `${highest}`)
  const [evicted, kept] = [shown[distinct - 4097], shown[distinct - 3800]]
  assert.ok(evicted && kept)
  presenter.present({ certificates: [kept] }, { trust })
  assert.equal(presenter.reads, distinct)
  presenter.present({ certificates: [evicted] }, { trust })
  assert.equal(presenter.reads, distinct + 1)
})

test('keeps fewer SVIDs than 4,096 if they are large', async () => {
  const presenter = new Presenter()
  const trust = createSvidTrust(bundles)
  const dnsNames = Array.from({ length: 200 }, (_, index) => `a${index}`)
  let highest = 0
  for await (const leaf of issueMany(authority, 1500, { dnsNames })) {
    proofOf(presenter.present({ certificates: [leaf] }, { trust }))
    highest = Math.max(highest, presenter.cache.bytes)
  }
  const most = 32 * 1024 * 1024
  assert.ok(highest <= most && highest > most - 100_000, `${highest}`)
})

test('keeps at most 32 intermediates and 1 MiB of them for a trust domain, and no others for another', async () => {
  const presenter = new Presenter()
  const keys = await Promise.all(Array.from({ length: 100 }, () => createKey()))
  const sizes: number[] = []
  for (const [index, key] of keys.entries()) {
    const lower = await authority.intermediate({ key, name: `intermediate ${String(index).padStart(3, '0')}` })
    proofOf(presenter.present(await lower.issue(callerId)))
    sizes.push(presenter.cache.issuerBytesOf('saas.example'))
  }
  // Signatures differ by a few bytes in length.
  const [one = 0] = sizes
  const highest = Math.max(...sizes)
  assert.ok(highest > 31 * one && highest <= 32 * (one + 16) && highest <= 1024 * 1024, `${highest}`)
  assert.equal(presenter.cache.issuerBytesOf('partner.example'), 0)
})
