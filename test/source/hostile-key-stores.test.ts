import assert from 'node:assert/strict'
import crypto, { type KeyObject, X509Certificate } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileSource } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { normalizeBer } from '../../packages/spiffe/src/source/key-store/ber.ts'
import { KeyStoreCache } from '../../packages/spiffe/src/source/key-store/key-store-cache.ts'
import { decodeKeyStore } from '../../packages/spiffe/src/source/key-store/key-store.ts'
import { hex, integer, nullValue, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'
import { type Entity, entity, issueAuthority } from '../certificate/issue.ts'
import {
  authority,
  awaitSvid,
  createFolder,
  openSource,
  optionsFor,
  replaceFile,
  spiffeId,
  writeFiles,
} from './files.ts'
import { certificateBag, encryptedPart, keyBag, part, pbes2, shroudedKeyBag, writeStore } from './write-key-store.ts'

const passphrase = 'changeit'
const root = entity('root', 'P-256', 1)
const rootDer = issueAuthority(root)
const bags = [certificateBag(rootDer)]
const octets = (...parts: readonly Buffer[]): Buffer => tlv(0x04, ...parts)
const data = objectIdentifier('1.2.840.113549.1.7.1')
const million = 1_000_000

/** Counts the calls of Node's key derivation and hash functions until the test ends. */
function countDerivations(context: TestContext): () => number {
  const spies = (['pbkdf2Sync', 'hash'] as const).map((name) => context.mock.method(crypto, name))
  syncBuiltinESMExports()
  context.after(() => {
    for (const spy of spies) spy.mock.restore()
    syncBuiltinESMExports()
  })
  return () => spies.reduce((sum, { mock }) => sum + mock.callCount(), 0)
}

/** PBE with SHA-1 and 3DES, which takes three hashes per iteration for key and initialization vector. */
const tripleDes = (iterations: number): Buffer =>
  sequence(objectIdentifier('1.2.840.113549.1.12.1.3'), sequence(octets(hex('0102030405060708')), integer(iterations)))

/** A string in two parts, split after this many bytes, or one byte per part. */
function cut(content: Buffer, at: number): Buffer {
  return tlv(0x24, octets(content.subarray(0, at)), octets(content.subarray(at)))
}

/** A store without a MAC whose content is in this string. */
const wrap = (string: Buffer): Buffer => sequence(integer(3), sequence(data, tlv(0xa0, string)))

const behindOid = (content: Buffer, oid: string): number => content.indexOf(objectIdentifier(oid)) + 6
const indefinite = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.of(tag, 0x80), content, Buffer.alloc(2)])

const encrypted = sequence(encryptedPart(bags, passphrase, tripleDes(million)))
const shrouded = sequence(
  tlv(
    0x30,
    objectIdentifier('1.2.840.113549.1.12.10.1.2'),
    tlv(0xa0, sequence(tripleDes(million), octets(Buffer.alloc(64)))),
  ),
)
const encryptedOid = '1.2.840.113549.1.7.6'
const shroudedOid = '1.2.840.113549.1.12.10.1.2'

const hidden: readonly (readonly [where: string, store: Buffer])[] = [
  ['nowhere', wrap(octets(encrypted))],
  ['in the parts of the outer string', wrap(cut(encrypted, behindOid(encrypted, encryptedOid)))],
  ['in nested parts', wrap(tlv(0x24, cut(encrypted, behindOid(encrypted, encryptedOid))))],
  [
    'in parts of indefinite length',
    wrap(indefinite(0x24, Buffer.concat([...encrypted].map((byte) => octets(Buffer.of(byte)))))),
  ],
  [
    'in the parts of an inner string',
    wrap(octets(sequence(sequence(data, tlv(0xa0, cut(shrouded, behindOid(shrouded, shroudedOid))))))),
  ],
  ['in an unencrypted part', wrap(octets(sequence(sequence(data, tlv(0xa0, octets(shrouded))))))],
  [
    'after a length in too many bytes',
    wrap(Buffer.concat([hex('0484000000'), Buffer.of(encrypted.length), encrypted])),
  ],
]

for (const [where, store] of hidden) {
  test(`derives no key for a store without a MAC: encryption hidden ${where}`, (context) => {
    const count = countDerivations(context)
    for (const secret of [undefined, passphrase]) {
      assert.throws(() => decodeKeyStore(store, secret), { code: 'key_store_malformed' })
    }
    assert.equal(count(), 0)
  })
}

test('rejects constructed strings and non-DER lengths in a store without a MAC', () => {
  const plain = sequence(part(...bags))
  const contents = sequence(...bags)
  assert.deepEqual(decodeKeyStore(wrap(octets(plain)), undefined).certificates, [rootDer])
  for (const store of [
    wrap(cut(plain, 30)),
    wrap(indefinite(0x24, octets(plain))),
    wrap(octets(indefinite(0x30, part(...bags)))),
    wrap(octets(sequence(sequence(data, tlv(0xa0, cut(contents, 10)))))),
    wrap(octets(sequence(sequence(data, tlv(0xa0, octets(indefinite(0x30, certificateBag(rootDer)))))))),
  ]) {
    assert.throws(() => decodeKeyStore(store, undefined), { code: 'key_store_malformed' })
  }
})

test('a partner file without a passphrase that becomes a PKCS#12 store costs no key derivation', async (context) => {
  const partner = await createAuthority('partner.example')
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const path = join(folder, 'partner.pem')
  writeFileSync(path, partner.bundlePem)
  const { bundles, ...own } = optionsFor(folder)
  const options = { ...own, bundles: { ...bundles, 'partner.example': path }, pollMs: 1000 }
  const { source, notices } = await openSource(context, fileSource(options))
  const stores = [...hidden.map(([, store]) => store), writeStore([encryptedPart(bags, passphrase)])]
  const pbkdf2 = context.mock.method(crypto, 'pbkdf2Sync')
  syncBuiltinESMExports()
  context.after(() => (pbkdf2.mock.restore(), syncBuiltinESMExports()))
  for (const store of stores) {
    replaceFile(path, store)
    const next = await authority.issue(spiffeId)
    writeFiles(folder, next)
    await awaitSvid(source, next)
  }
  assert.equal(pbkdf2.mock.callCount(), 0)
  assert.equal(source.current.bundles.get('partner.example')?.authorities.length, 1)
  assert.deepEqual(
    notices.filter(({ trustDomain }) => trustDomain === undefined),
    [],
  )
})

test('reads a store with a MAC and constructed strings, as some programs write it', () => {
  const parts = [encryptedPart(bags, passphrase), part(...bags)]
  const content = sequence(...parts)
  const written = writeStore(parts)
  const head = sequence(data, tlv(0xa0, octets(content)))
  const mac = written.subarray(written.indexOf(head) + head.length)
  for (const string of [cut(content, 7), indefinite(0x24, cut(content, 100)), indefinite(0x24, octets(content))]) {
    const store = indefinite(0x30, Buffer.concat([integer(3), sequence(data, indefinite(0xa0, string)), mac]))
    assert.deepEqual(decodeKeyStore(store, passphrase).certificates, [rootDer, rootDer])
  }
})

for (const [what, store] of [
  ['the MAC', writeStore([part(...bags)], { iterations: million + 1 })],
  ['one part', writeStore([encryptedPart(bags, passphrase, pbes2(undefined, undefined, million))])],
  ['the three hashes of 3DES', writeStore([encryptedPart(bags, passphrase, tripleDes(333_334))])],
  [
    'a key inside a part',
    writeStore([encryptedPart([shroudedKeyBag(root.keys.privateKey, passphrase, million)], passphrase)]),
  ],
  ['two parts together', writeStore([1, 2].map(() => encryptedPart(bags, passphrase, million / 2)))],
] as const) {
  test(`rejects a store with more than a million iterations: ${what}`, (context) => {
    const count = countDerivations(context)
    assert.throws(() => decodeKeyStore(store, passphrase), { code: 'key_store_malformed', message: /iterations/ })
    // The MAC, and for the last two the first of two keys.
    assert.ok(count() <= 3, `found ${count()} calls`)
  })
}

test('reads a store with 400,000 iterations', () => {
  const store = writeStore([encryptedPart(bags, passphrase, 400_000)])
  assert.deepEqual(decodeKeyStore(store, passphrase).certificates, [rootDer])
})

test('accepts 32 levels and 16,384 elements of BER, and not one more', () => {
  const nest = (levels: number): Buffer => (levels === 1 ? nullValue : tlv(0x30, nest(levels - 1)))
  assert.deepEqual(normalizeBer(nest(32)), nest(32))
  assert.throws(() => normalizeBer(nest(33)), { code: 'certificate_malformed' })
  const wide = (elements: number): Buffer => sequence(Buffer.alloc(2 * (elements - 1), nullValue))
  assert.deepEqual(normalizeBer(wide(16_384)), wide(16_384))
  assert.throws(() => normalizeBer(wide(16_385)), { code: 'certificate_malformed' })
  assert.throws(() => normalizeBer(tlv(0x24, octets(hex('00')), integer(1))), { code: 'certificate_malformed' })
})

test('rejects a store with too many elements or levels', () => {
  const many = Buffer.alloc(2 ** 19, nullValue)
  const deep = Buffer.from(Array.from({ length: 2 ** 19 }, (_, index) => (index % 2 === 0 ? 0x30 : 0x80)))
  for (const content of [sequence(many), deep, indefinite(0x30, many)]) {
    assert.throws(() => normalizeBer(content), { code: 'certificate_malformed' })
    for (const store of [wrap(octets(content)), sequence(integer(3), content), content]) {
      assert.throws(() => decodeKeyStore(store, undefined), { code: 'key_store_malformed' })
    }
  }
})

test('reads a chain of at most 16 certificates from a store', () => {
  const names = Array.from({ length: 17 }, (_, index) => entity(`link ${index}`, 'P-256', index))
  const links = names.map((each, index) => issueAuthority(each, { by: names[index + 1] ?? root }))
  const storeOf = (length: number): Buffer =>
    writeStore([part(keyBag(keyOf(names[0])), ...links.slice(0, length).map((der) => certificateBag(der)))])
  assert.deepEqual(decodeKeyStore(storeOf(16), passphrase).certificates, links.slice(0, 16))
  assert.throws(() => decodeKeyStore(storeOf(17), passphrase), { code: 'key_store_malformed' })
})

test("checks few signatures, however many certificates in a store have an issuer's name", (context) => {
  const [issuer, leaf] = [entity('issuer', 'P-256', 1), entity('leaf', 'P-256', 2)]
  const namesakes = Array.from({ length: 300 }, () => issueAuthority(entity('issuer', 'P-256', 3), { by: root }))
  const ders = [issueAuthority(leaf, { by: issuer }), ...namesakes]
  const store = writeStore([part(keyBag(keyOf(leaf)), ...ders.map((der) => certificateBag(der)))])
  const verify = context.mock.method(X509Certificate.prototype, 'verify')
  assert.throws(() => decodeKeyStore(store, passphrase), { code: 'key_store_malformed' })
  assert.ok(verify.mock.callCount() <= 64, `found ${verify.mock.callCount()} signatures checked`)
})

function keyOf(subject: Entity | undefined): KeyObject {
  assert.ok(subject !== undefined)
  return subject.keys.privateKey
}

test('does not open the same store with the same passphrase again, whether it was opened or rejected', () => {
  const store = writeStore([encryptedPart(bags, passphrase)])
  const cache = new KeyStoreCache()
  const opened = cache.open(store, passphrase, decodeKeyStore)
  const failure = failureOf(() => cache.open(store, 'other', decodeKeyStore))
  cache.beginRound()
  assert.equal(cache.open(Buffer.from(store), passphrase, decodeKeyStore), opened)
  assert.equal(
    failureOf(() => cache.open(store, 'other', decodeKeyStore)),
    failure,
  )
  assert.throws(() => cache.open(store, undefined, decodeKeyStore), { code: 'passphrase_missing' })
  cache.beginRound()
  cache.beginRound()
  assert.notEqual(cache.open(store, passphrase, decodeKeyStore), opened)
})

function failureOf(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

test("our own rotation does not open a partner's store again", async (context) => {
  const partner = await createAuthority('partner.example')
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const path = join(folder, 'partner.p12')
  writeFileSync(path, writeStore([encryptedPart([certificateBag(partner.certificateDer)], passphrase)]))
  const { bundles, ...own } = optionsFor(folder)
  const options = { ...own, bundles: { ...bundles, 'partner.example': { path, passphrase } }, pollMs: 1000 }
  const { source } = await openSource(context, fileSource(options))
  const pbkdf2 = context.mock.method(crypto, 'pbkdf2Sync')
  syncBuiltinESMExports()
  context.after(() => (pbkdf2.mock.restore(), syncBuiltinESMExports()))
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next)
  await awaitSvid(source, next)
  assert.equal(source.current.bundles.get('partner.example')?.authorities.length, 1)
  assert.equal(pbkdf2.mock.callCount(), 0)
})
