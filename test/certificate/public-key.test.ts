import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { decodeCertificate, decodeLeaf } from '../../packages/spiffe/src/certificate/decode.ts'
import { DerReader } from '../../packages/spiffe/src/certificate/der-reader.ts'
import {
  decodePublicKeyInfo,
  describeKey,
  isStrongKey,
  type PublicKeyInfo,
} from '../../packages/spiffe/src/certificate/public-key.ts'
import { hex, nullValue, objectIdentifier, sequence, tlv } from './encode.ts'
import { encodeCertificate, keyPair, type KeyType } from './issue.ts'

const curve = { p256: '1.2.840.10045.3.1.7', p384: '1.3.132.0.34', p521: '1.3.132.0.35', p224: '1.3.132.0.33' }

test('reads the same properties as Node from every type of key', () => {
  const types: readonly KeyType[] = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS', 'RSA-1024', 'Ed25519', 'Ed448']
  for (const type of types) {
    const { publicKey } = keyPair(type)
    const info = decodePublicKeyInfo(element(publicKey.export({ type: 'spki', format: 'der' })))
    const { modulusLength, publicExponent } = { ...publicKey.asymmetricKeyDetails }
    assert.equal(info.modulusLength, modulusLength, type)
    assert.equal(info.publicExponent, publicExponent === undefined ? undefined : Number(publicExponent), type)
    assert.equal(info.type, type === 'Ed448' ? 'other' : publicKey.asymmetricKeyType, type)
  }
})

for (const bits of [2047, 2048, 2049, 3071]) {
  test(`returns the size of an RSA key of ${bits}`, () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
    const info = decodePublicKeyInfo(element(publicKey.export({ type: 'spki', format: 'der' })))
    assert.equal(info.modulusLength, publicKey.asymmetricKeyDetails?.modulusLength)
    assert.equal(isStrongKey(info), bits >= 2048)
  })
}

const point = (form: number, bytes: number): Buffer => Buffer.concat([Buffer.from([form]), Buffer.alloc(bytes, 1)])

for (const [what, identifier, key, isRead] of [
  ['an uncompressed point', curve.p256, point(4, 64), true],
  ['a compressed point', curve.p384, point(2, 48), true],
  ['the other compressed point', curve.p521, point(3, 66), true],
  ['a hybrid point', curve.p256, point(6, 64), false],
  ['the point at infinity', curve.p256, Buffer.from([0]), false],
  ['a point that is too short', curve.p256, point(4, 63), false],
  ['a point of another curve', curve.p384, point(4, 64), false],
] as const) {
  test(`${isRead ? 'accepts' : 'rejects'} ${what}`, () => {
    const info = (): PublicKeyInfo => decodePublicKeyInfo(element(encodeEcKey(identifier, key)))
    if (isRead) assert.ok(isStrongKey(info()))
    else assert.throws(info, { code: 'certificate_unsupported' })
  })
}

test('treats an unlisted curve as weak, named by its object identifier', () => {
  const info = decodePublicKeyInfo(element(encodeEcKey(curve.p224, point(4, 56))))
  assert.equal(isStrongKey(info), false)
  assert.equal(describeKey(info), `ec ${curve.p224}`)
})

for (const [what, modulus, exponent] of [
  ['a negative modulus', 'ff00ff', '010001'],
  ['a padded modulus', '0000ff', '010001'],
  ['no modulus', '', '010001'],
  ['the exponent 0', '00ff', '00'],
  ['a padded exponent', '00ff', '000003'],
] as const) {
  test(`rejects an RSA key with ${what}`, () => {
    const key = sequence(tlv(0x02, hex(modulus)), tlv(0x02, hex(exponent)))
    const info = encodeInfo(sequence(objectIdentifier('1.2.840.113549.1.1.1'), nullValue), key)
    assert.throws(() => decodePublicKeyInfo(element(info)), { code: 'certificate_unsupported' })
  })
}

test('rejects an Ed25519 key of the wrong length', () => {
  const info = encodeInfo(sequence(objectIdentifier('1.3.101.112')), Buffer.alloc(31))
  assert.throws(() => decodePublicKeyInfo(element(info)), { code: 'certificate_unsupported' })
})

test('reads a leaf whose point is not on the curve, and rejects it as a signer', () => {
  const der = encodeCertificate({ publicKey: encodeEcKey(curve.p256, point(4, 64)) })
  const leaf = decodeLeaf(der)
  assert.throws(() => leaf.publicKey, { code: 'certificate_unsupported' })
  assert.throws(() => decodeCertificate(der), { code: 'certificate_unsupported' })
})

function encodeEcKey(identifier: string, key: Buffer): Buffer {
  return encodeInfo(sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier(identifier)), key)
}

function encodeInfo(algorithm: Buffer, key: Buffer): Buffer {
  return sequence(algorithm, tlv(0x03, hex('00'), key))
}

function element(der: Buffer): Parameters<typeof decodePublicKeyInfo>[0] {
  const [first] = new DerReader(der, 'key').rest()
  assert.ok(first !== undefined)
  return first
}
