import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BundleReader } from '@countersign/spiffe'
import { createJwk, toDocument } from './bundle-documents.ts'
import { issueMany, joinPem } from './many-authorities.ts'

const authorities = issueMany(200)
const [first = Buffer.alloc(0)] = authorities
const der = Buffer.concat(authorities)
const pem = joinPem(authorities)
const document = toDocument(...authorities.map((each) => createJwk([each.toString('base64')])()))

for (const [what, bundle] of [
  ['DER', der],
  ['PEM', pem],
  ['a SPIFFE bundle document', document],
] as const) {
  test(`decodes hundreds of new authorities in turns (${what}), and none of them twice`, async () => {
    const reader = new BundleReader()
    const preparation = reader.prepare([bundle])
    assert.ok(preparation)
    let turns = 0
    let next = setImmediate(function count() {
      turns += 1
      next = setImmediate(count)
    })
    await preparation
    clearImmediate(next)
    assert.ok(turns > 1, `found ${turns} turns`)
    assert.equal(reader.prepare([bundle]), undefined)
    assert.equal(reader.read(new Map([['partner.example', bundle]])).get('partner.example')?.authorities.length, 200)
    assert.equal(reader.prepare([bundle]), undefined)
  })
}

test('prepares nothing if there is little to decode, or if it would be rejected unread', () => {
  const certificates = Array.from({ length: 513 }, (_, index) => {
    const content = Buffer.alloc(128)
    content.writeUInt32BE(index)
    return Buffer.concat([Buffer.of(0x30, 0x81, 0x80), content])
  })
  for (const bundle of [
    Buffer.concat(authorities.slice(0, 15)),
    Buffer.concat(Array.from({ length: 1500 }, () => first)),
    Buffer.concat(certificates),
    der.subarray(0, -1),
    '{"keys":[]}',
    '{"keys":0}',
    document.slice(0, -1),
    'no bundle',
    '',
  ]) {
    assert.equal(new BundleReader().prepare([bundle]), undefined)
  }
})

test('leaves the rejection of undecodable input to the reader of the bundle', async () => {
  const junk = Array.from({ length: 20 }, (_, index) =>
    Buffer.concat([Buffer.of(0x30, 0x81, 0x80), Buffer.alloc(128, index)]),
  )
  const bundle = Buffer.concat([...junk, first])
  const reader = new BundleReader()
  await reader.prepare([bundle])
  const read = reader.read(new Map([['partner.example', bundle]])).get('partner.example')
  assert.deepEqual([read?.authorities.length, read?.faults.length], [1, 20])
})
