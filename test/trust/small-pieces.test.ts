import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { test, type TestContext } from 'node:test'
import { BundleReader, CaBundle } from '@countersign/spiffe'
import { createAuthority } from '@countersign/testkit'
import { parseCertificates } from '../../packages/spiffe/src/certificate/pem.ts'
import { describeFormat } from '../../packages/spiffe/src/certificate/file-format.ts'
import { sequence } from '../certificate/encode.ts'
import { issueMany, joinPem } from './many-authorities.ts'

const size = 4 * 2 ** 20
const own = await createAuthority('saas.example')
const fill = (unit: Buffer | string): Buffer => {
  const bytes = Buffer.from(unit)
  return Buffer.alloc(size - (size % bytes.length), bytes)
}

/** Distinct SEQUENCEs of 8 bytes. */
function fillDistinct(): Buffer {
  const bytes = fill(Buffer.of(0x30, 6, 0, 0, 0, 0, 0, 0))
  for (let at = 0; at < bytes.length; at += 8) bytes.writeUInt32BE(at, at + 2)
  return bytes
}

const block = (content: string): string => `-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----\n`

const junk: readonly (readonly [what: string, bundle: Buffer])[] = [
  ['empty sequences', fill(Buffer.of(0x30, 0))],
  ['empty sequences in one', sequence(fill(Buffer.of(0x30, 0)).subarray(8))],
  ['empty sequences in one in one', sequence(sequence(fill(Buffer.of(0x30, 0)).subarray(16)))],
  ['sequences that differ', fillDistinct()],
  ['tiny blocks', fill(block('MAA='))],
  ['tiny invalid blocks', fill(block('='))],
  ['tiny blocks with another label', fill('-----BEGIN A-----\n-----END A-----\n')],
  ['line breaks', fill('\n')],
  ['lines that are nearly boundaries', fill('-END KE\n')],
]

interface Work {
  /** The number of pieces that were cut from the bytes. */
  readonly pieces: number
  /** The number of hashes that were computed. */
  readonly hashes: number
}

function countWork(context: TestContext, run: () => void): Work {
  const prototype: unknown = Buffer.prototype
  assert.ok(prototype instanceof Uint8Array)
  const pieces = context.mock.method(prototype, 'subarray')
  const hashes = context.mock.method(crypto, 'hash')
  syncBuiltinESMExports()
  try {
    run()
    return { pieces: pieces.mock.callCount(), hashes: hashes.mock.callCount() }
  } finally {
    pieces.mock.restore()
    hashes.mock.restore()
    syncBuiltinESMExports()
  }
}

for (const [what, bundle] of junk) {
  test(`splits a bundle of millions of ${what} once, into thousands of pieces at most`, (context) => {
    const reader = new BundleReader()
    const encoded = new Map([
      ['saas.example', Buffer.from(own.certificateDer)],
      ['partner.example', bundle],
    ])
    const first = countWork(context, () => {
      void reader.prepare(encoded.values())
      const read = reader.read(encoded, { own: 'saas.example' })
      assert.equal(read.get('partner.example')?.authorities.length, 0)
      assert.equal(read.get('partner.example')?.faults.length, 1)
      assert.equal(read.get('saas.example')?.authorities.length, 1)
    })
    assert.ok(first.pieces < 40_000 && first.hashes < 10_000, JSON.stringify(first))
    const again = countWork(context, () => {
      void reader.prepare(encoded.values())
      reader.read(encoded, { own: 'saas.example' })
    })
    // Each bundle is hashed as a whole, once to prepare and once to read it.
    assert.ok(again.pieces < 10 && again.hashes <= 4, JSON.stringify(again))
  })
}

for (const [what, bundle] of junk.filter(([each]) => !each.includes('in one'))) {
  test(`rejects millions of ${what} as a bundle, a chain and a CA`, () => {
    const [result] = new BundleReader().readEach(new Map([['partner.example', bundle]])).values()
    assert.ok(result instanceof Error)
    assert.equal(result.code, 'bundle_too_large')
    assert.equal(result.value, 'partner.example')
    assert.throws(() => CaBundle.parse(bundle), { code: 'bundle_too_large' })
    assert.throws(() => parseCertificates(bundle), { code: 'svid_unusable', value: 'too_many_certificates' })
  })
}

test('reads 512 authorities with kilobytes of text around each, and thousands of duplicates', () => {
  const authorities = issueMany(200)
  const text = 'Certificate:\n    Data:\n        Version: 3 (0x2)\n'.repeat(40)
  const verbose = authorities.map((der) => text + joinPem([der])).join('\n')
  const copies = Array.from({ length: 20 }, () => Buffer.concat(authorities))
  for (const bundle of [verbose, Buffer.concat(copies)]) {
    const read = new BundleReader().read(new Map([['partner.example', bundle]]))
    assert.equal(read.get('partner.example')?.authorities.length, 200)
  }
})

test('does not split a repeated bundle again, and reads others as before', (context) => {
  const authorities = issueMany(100)
  const bundles = [Buffer.concat(authorities), joinPem(authorities)]
  for (const bundle of bundles) {
    const reader = new BundleReader()
    const encoded = new Map([['partner.example', bundle]])
    const before = reader.read(encoded).get('partner.example')
    const { hashes } = countWork(context, () => {
      const after = reader.read(new Map([['partner.example', bundle]])).get('partner.example')
      assert.equal(after?.fingerprint, before?.fingerprint)
    })
    assert.equal(hashes, 1)
    const other = reader.read(new Map([['partner.example', joinPem(authorities.slice(1))]]))
    assert.equal(other.get('partner.example')?.authorities.length, 99)
  }
})

test('overwriting input bytes after reading does not change what is cached', () => {
  const [der = Buffer.alloc(0)] = issueMany(1)
  const reader = new BundleReader()
  const bytes = Buffer.from(der)
  reader.read(new Map([['partner.example', bytes]]))
  bytes.fill(0)
  const read = reader.read(new Map([['partner.example', der]]))
  assert.equal(read.get('partner.example')?.authorities.length, 1)
})

test('an error names its trust domain, even for the same bytes', () => {
  const reader = new BundleReader()
  const bytes = Buffer.from('no bundle')
  const encoded = new Map([
    ['one.example', bytes],
    ['two.example', bytes],
  ])
  for (let round = 0; round < 2; round += 1) {
    for (const [name, result] of reader.readEach(encoded)) {
      assert.ok(result instanceof Error)
      assert.equal(result.value, name)
    }
  }
})

test('distinguishes a DER string from the same bytes', () => {
  const reader = new BundleReader()
  const der = sequence(Buffer.alloc(0))
  const text = der.toString('latin1')
  assert.deepEqual(Buffer.from(text), der)
  const codes = [der, text].map((input) => {
    const [result] = reader.readEach(new Map([['partner.example', input]])).values()
    return result instanceof Error ? result.message : ''
  })
  assert.notEqual(codes[0], codes[1])
})

test('recognizes a format by its first elements, and a shape by only a few of them', (context) => {
  const [der = Buffer.alloc(0)] = issueMany(1)
  assert.match(describeFormat(der) ?? '', /^a certificate/)
  const { pieces } = countWork(context, () => describeFormat(sequence(fill(Buffer.of(0x30, 0)).subarray(8))))
  assert.ok(pieces < 100, `found ${pieces}`)
})
