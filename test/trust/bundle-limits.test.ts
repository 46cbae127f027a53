import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BundleReader, X509Bundle } from '@countersign/spiffe'
import { createAuthority } from '@countersign/testkit'
import { entity, issueAuthority } from '../certificate/issue.ts'

const own = await createAuthority('saas.example')

/** Distinct sequences that can be counted but not decoded. */
function createPieces(count: number, first: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const content = Buffer.alloc(128)
      content.writeUInt32BE(first + index)
      return Buffer.concat([Buffer.of(0x30, 0x81, 0x80), content])
    }),
  )
}

test('rejects the bundles after the first 4096 certificates of all bundles together, and never our own', () => {
  const partners = Array.from(
    { length: 9 },
    (_, index) => [`p${index}.example`, createPieces(512, index * 512)] as const,
  )
  const bundles = new BundleReader().read(new Map([...partners, ['saas.example', Buffer.from(own.bundlePem)]]), {
    own: 'saas.example',
  })
  const codes = [...bundles.values()].map(({ faults }) => faults[0]?.code)
  assert.deepEqual(
    [
      codes.filter((code) => code === 'certificate_malformed').length,
      codes.filter((code) => code === 'bundle_too_large').length,
    ],
    [7, 2],
  )
  assert.equal(bundles.get('saas.example')?.authorities.length, 1)
})

test('rejects authorities whose names do not fit into the list that TLS sends', () => {
  const authorities = Array.from({ length: 50 }, (_, index) => issueAuthority(entity(`${index} ${'x'.repeat(1200)}`)))
  const most = Buffer.concat(authorities.slice(0, 38))
  assert.equal(X509Bundle.parse('saas.example', most).authorities.length, 38)
  assert.throws(() => X509Bundle.parse('saas.example', Buffer.concat(authorities)), { code: 'bundle_too_large' })
})

test('reads bytes as first seen, whatever happens to their buffer', async () => {
  const reader = new BundleReader()
  const buffer = Buffer.from(own.certificateDer)
  await reader.prepare([buffer])
  buffer.fill(0)
  const bundles = reader.read(new Map([['saas.example', Buffer.from(own.certificateDer)]]))
  assert.equal(bundles.get('saas.example')?.authorities.length, 1)
})
