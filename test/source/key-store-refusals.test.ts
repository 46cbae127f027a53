import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { CertificateError, type CertificateErrorCode } from '../../packages/spiffe/src/errors.ts'
import { decodeKeyStore } from '../../packages/spiffe/src/source/key-store/key-store.ts'
import { hex, integer, nullValue, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'
import { entity, issueAuthority, issueLeaf, keyPair, signer, signerOf } from '../certificate/issue.ts'
import {
  bag,
  certificateBag,
  encryptedPart,
  keyBag,
  part,
  pbes2,
  pkcs8,
  shroudedKeyBag,
  writeStore,
} from './write-key-store.ts'

const passphrase = 'changeit'
const root = entity('root', 'P-256', 1)
const lower = entity('lower', 'P-256', 2)
const lowest = entity('lowest', 'P-256', 3)
const leaf = entity('leaf', 'P-256', 4)
const key = leaf.keys.privateKey
const rootDer = issueAuthority(root)
const lowerDer = issueAuthority(lower, { by: root })
const lowestDer = issueAuthority(lowest, { by: lower })
const leafDer = issueLeaf(leaf, { by: lowest })
const own = [keyBag(key), certificateBag(leafDer)]

/** RSASSA-PSS with SHA-256, without the parameters that may be NULL (RFC 4055 §2.1). */
const sha256 = sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'))
const mask = sequence(objectIdentifier('1.2.840.113549.1.1.8'), sha256)
const pssParameters = sequence(tlv(0xa0, sha256), tlv(0xa1, mask), tlv(0xa2, integer(32)))
const pss = signerOf(
  sequence(objectIdentifier('1.2.840.113549.1.1.10'), pssParameters),
  'sha256',
  keyPair('RSA-PSS').privateKey,
)

/** Rejected with this code, without showing the passphrase or the key. */
function refuses(code: CertificateErrorCode, store: Buffer, secret: string | undefined = passphrase): void {
  assert.throws(
    () => decodeKeyStore(store, secret),
    (error) => {
      assert.ok(error instanceof CertificateError)
      assert.equal(error.code, code, error.message)
      const shown = inspect(error, { depth: null, showHidden: true })
      assert.equal(shown.includes(passphrase), false)
      assert.equal(error.cause, undefined)
      return true
    },
  )
}

function certificatesOf(...bags: readonly Buffer[]): readonly Buffer[] {
  return decodeKeyStore(writeStore([part(...bags)]), passphrase).certificates
}

test('reads a key in clear text, individually encrypted, and within encrypted content', () => {
  const stores = [
    writeStore([part(...own)]),
    writeStore([part(shroudedKeyBag(key, passphrase)), part(certificateBag(leafDer))]),
    writeStore([encryptedPart([shroudedKeyBag(key, passphrase)], passphrase), part(certificateBag(leafDer))]),
    writeStore([part(...own)], { iterations: 'absent' }),
  ]
  const expected = { key: pkcs8(key), certificates: [leafDer] }
  for (const store of stores) assert.deepEqual(decodeKeyStore(store, passphrase), expected)
  assert.deepEqual(decodeKeyStore(writeStore([part(...own)], { mac: null }), undefined), expected)
})

test('keys and certificates are unchanged byte for byte, whatever their algorithm', () => {
  const signers = [signer(keyPair('RSA-2048').privateKey), signer(keyPair('P-384').privateKey), pss]
  for (const type of ['RSA-2048', 'P-256', 'P-521', 'Ed25519'] as const) {
    for (const by of signers) {
      const workload = entity('workload', type, 7)
      const certificate = issueLeaf(workload, { by: root, fields: { signer: by } })
      const bags = [keyBag(workload.keys.privateKey), certificateBag(certificate)]
      const store = decodeKeyStore(writeStore([part(...bags)]), passphrase)
      assert.deepEqual(store, { key: pkcs8(workload.keys.privateKey), certificates: [certificate] }, type)
    }
  }
})

test('reads both encodings of an empty passphrase', () => {
  for (const written of ['', null]) {
    const store = writeStore([encryptedPart(own, '')], { passphrase: written })
    assert.deepEqual(decodeKeyStore(store, '').certificates, [leafDer], String(written))
    refuses('passphrase_wrong', store, 'other')
  }
})

test('orders the chain without duplicates, the root and unrelated certificates', () => {
  const stranger = issueAuthority(entity('stranger', 'P-256', 5))
  const bags = [rootDer, stranger, lowerDer, lowestDer, leafDer, lowestDer, leafDer].map((der) => certificateBag(der))
  assert.deepEqual(certificatesOf(...bags, keyBag(key)), [leafDer, lowestDer, lowerDer])
})

test('uses the issuer that signed, among those with its name', () => {
  const namesakes = [5, 6].map((number) => issueAuthority(entity('lowest', 'P-256', number), { by: lower }))
  const bags = [...namesakes, lowestDer, lowerDer].map((der) => certificateBag(der))
  assert.deepEqual(certificatesOf(...own, ...bags), [leafDer, lowestDer, lowerDer])
})

test('does not use an issuer that only has the right name', () => {
  const unknown = sequence(sequence(objectIdentifier('1.2.3.4')), hex('030200ff'))
  const namesakes = [{}, { publicKey: unknown }].map((fields) =>
    issueAuthority(entity('lowest', 'P-256', 5), { by: lower, fields }),
  )
  const bags = namesakes.map((der) => certificateBag(der))
  assert.deepEqual(certificatesOf(...own, ...bags), [leafDer])
})

test('stops at a cycle in the chain', () => {
  const crossed = issueAuthority(lower, { by: lowest })
  const bags = [lowestDer, crossed].map((der) => certificateBag(der))
  assert.deepEqual(certificatesOf(...own, ...bags), [leafDer, lowestDer, crossed])
})

test('keeps a self-signed certificate if it is the only one', () => {
  const alone = issueAuthority(leaf)
  assert.deepEqual(certificatesOf(keyBag(key), certificateBag(alone), certificateBag(rootDer)), [alone])
})

test('ignores an authority with a key that Node does not support if it is not in the chain', () => {
  const unknown = sequence(sequence(objectIdentifier('1.2.3.4')), hex('030200ff'))
  const strange = issueAuthority(entity('strange', 'P-256', 5), { by: lower, fields: { publicKey: unknown } })
  assert.deepEqual(certificatesOf(...own, certificateBag(strange)), [leafDer])
})

test('rejects a store without a key and without certificates, and one with several keys', () => {
  const other = entity('other', 'P-256', 6)
  const contents: readonly (readonly Buffer[])[] = [
    [],
    [keyBag(key)],
    [keyBag(key), certificateBag(rootDer)],
    [...own, keyBag(key)],
    [...own, keyBag(other.keys.privateKey)],
    [...own, certificateBag(issueLeaf(leaf, { by: lower }))],
    [bag(1, sequence(integer(0)))],
    [...own, certificateBag(sequence(integer(0)))],
    [...own, certificateBag(Buffer.concat([leafDer, Buffer.alloc(1)]))],
    [bag(3, integer(0))],
    [bag(3, sequence(tlv(0x26, nullValue)))],
    [sequence(integer(1))],
  ]
  for (const bags of contents) refuses('key_store_malformed', writeStore([part(...bags)]))
})

test('rejects a store that is truncated, has trailing bytes, is too large or is not a store', () => {
  const store = writeStore([encryptedPart(own, passphrase)])
  for (let step = 0; step < 50; step += 1) {
    refuses('key_store_malformed', store.subarray(0, Math.floor((store.length * step) / 50)))
  }
  refuses('key_store_malformed', store.subarray(0, -1))
  refuses('key_store_malformed', Buffer.concat([store, Buffer.alloc(1)]))
  refuses('key_store_malformed', Buffer.concat([store, store]))
  refuses('key_store_malformed', writeStore([part(...own, certificateBag(Buffer.alloc(1024 * 1024)))]))
  refuses('key_store_malformed', Buffer.from('passphrase=changeit\n'))
  refuses('key_store_malformed', sequence(integer(3), nullValue))
  refuses('key_store_malformed', sequence(integer(3), nullValue, nullValue))
})

test('a store with a changed byte is rejected, or its content is unchanged', () => {
  const store = writeStore([encryptedPart(own, passphrase)])
  const codes = new Set(['key_store_malformed', 'key_store_unsupported', 'passphrase_wrong'])
  for (let offset = 0; offset < store.length; offset += 1) {
    try {
      const decoded = decodeKeyStore(changeByte(store, offset), passphrase)
      assert.deepEqual(decoded, { key: pkcs8(key), certificates: [leafDer] })
    } catch (error) {
      assert.ok(error instanceof CertificateError && codes.has(error.code), `byte ${offset}: ${inspect(error)}`)
    }
  }
})

test('a changed byte in a store without a MAC changes the content, or the store is rejected', () => {
  const store = writeStore([part(...own, certificateBag(lowestDer))], { mac: null })
  const codes = new Set(['key_store_malformed', 'key_store_unsupported', 'passphrase_missing'])
  for (let offset = 0; offset < store.length; offset += 1) {
    try {
      decodeKeyStore(changeByte(store, offset), undefined)
    } catch (error) {
      assert.ok(error instanceof CertificateError && codes.has(error.code), `byte ${offset}: ${inspect(error)}`)
    }
  }
})

function changeByte(store: Buffer, offset: number): Buffer {
  const changed = Buffer.from(store)
  changed.writeUInt8(store.readUInt8(offset) ^ (1 << (offset % 8)), offset)
  return changed
}

// With fixed bytes, because one in 256 wrong keys yields a padding that could be valid.
const file = (name: string): Buffer => readFileSync(new URL(`../vectors/key-stores/${name}`, import.meta.url))
const vector = new X509Certificate(file('leaf.pem')).raw

test('rejects a key or certificates with another passphrase than the MAC', () => {
  const decoded = decodeKeyStore(file('openssl.p12'), passphrase).key
  assert.ok(decoded !== undefined)
  const vectorKey = createPrivateKey({ key: decoded, format: 'der', type: 'pkcs8' })
  refuses('passphrase_wrong', writeStore([encryptedPart([certificateBag(vector)], 'other')]))
  refuses('passphrase_wrong', writeStore([part(shroudedKeyBag(vectorKey, 'other'), certificateBag(vector))]))
})

test('rejects encrypted content in a store without a MAC, whatever the passphrase', () => {
  for (const secret of [passphrase, 'other', undefined]) {
    for (const each of [encryptedPart(own, passphrase), part(shroudedKeyBag(key, passphrase))]) {
      const store = writeStore([each], { mac: null })
      assert.throws(() => decodeKeyStore(store, secret), { code: 'key_store_malformed' })
    }
  }
})

test('rejects a MAC without a passphrase, even a MAC of an empty passphrase', () => {
  for (const written of [passphrase, '', null]) {
    const store = writeStore([part(...own)], { passphrase: written })
    assert.throws(() => decodeKeyStore(store, undefined), { code: 'passphrase_missing' })
  }
})

test('rejects unknown algorithms and content types, and names them', () => {
  const under = (algorithm: Buffer): Buffer => writeStore([encryptedPart(own, passphrase, algorithm)])
  const families: readonly (readonly [found: string, store: Buffer])[] = [
    ['1.2.840.113549.1.5.14', writeStore([part(...own)], { digest: '1.2.840.113549.1.5.14' })],
    ['1.2.840.113549.1.12.1.1', under(sequence(objectIdentifier('1.2.840.113549.1.12.1.1'), nullValue))],
    ['1.3.6.1.4.1.11591.4.11', under(pbes2('1.3.6.1.4.1.11591.4.11'))],
    ['2.16.840.1.101.3.4.1.46', under(pbes2(undefined, '2.16.840.1.101.3.4.1.46'))],
    ['1.2.840.113549.1.7.2', writeStore([part(...own)], { type: '1.2.840.113549.1.7.2' })],
    ['1.2.840.113549.1.12.10.1.5', writeStore([part(...own, bag(5, nullValue))])],
    ['1.2.840.113549.1.9.22.2', writeStore([part(keyBag(key), certificateBag(leafDer, '1.2.840.113549.1.9.22.2'))])],
  ]
  for (const [value, store] of families) {
    refuses('key_store_unsupported', store)
    assert.throws(() => decodeKeyStore(store, passphrase), { value })
  }
})

test('rejects a MAC with more than a million iterations, or none, before deriving a key', () => {
  for (const iterations of [0, 1_000_001, 10_000_000, 2 ** 31, 0x7fff_ffff_ffff]) {
    refuses('key_store_malformed', writeStore([part(...own)], { iterations }))
  }
})
