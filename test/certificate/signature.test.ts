import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import test from 'node:test'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { DerReader } from '../../packages/spiffe/src/certificate/der-reader.ts'
import { decodePublicKeyInfo, isStrongKey } from '../../packages/spiffe/src/certificate/public-key.ts'
import { verifySignature } from '../../packages/spiffe/src/certificate/signature.ts'
import { hex, integer, nullValue, objectIdentifier, sequence, tlv } from './encode.ts'
import { encodeCertificate, type Fields, keyPair, type KeyType, type Signer, signer, signerOf } from './issue.ts'

function verdictOf(by: Signer, key: KeyObject, fields: Partial<Fields> = {}): string {
  return verifySignature(decodeCertificate(encodeCertificate({ signer: by, ...fields })).signature, key)
}

const hashes = ['sha256', 'sha384', 'sha512'] as const

for (const type of ['P-256', 'P-384', 'P-521', 'RSA-2048'] as const) {
  for (const hash of hashes) {
    test(`verifies ${type} with ${hash}, and rejects any other key and any change`, () => {
      const { publicKey, privateKey } = keyPair(type)
      const by = signer(privateKey, hash)

      assert.equal(verdictOf(by, publicKey), 'valid')
      assert.equal(verdictOf(by, keyPair(type, 1).publicKey), 'invalid')
      assert.equal(verdictOf(by, publicKey, { damage: flipLastBit }), 'invalid')
      assert.equal(verdictOf({ ...by, sign: (bytes) => by.sign(flipLastBit(bytes)) }, publicKey), 'invalid')
    })
  }
}

test('verifies Ed25519, and rejects any other key and any change', () => {
  const { publicKey, privateKey } = keyPair('Ed25519')
  const by = signer(privateKey)

  assert.equal(verdictOf(by, publicKey), 'valid')
  assert.equal(verdictOf(by, keyPair('Ed25519', 1).publicKey), 'invalid')
  assert.equal(verdictOf(by, publicKey, { damage: flipLastBit }), 'invalid')
})

const weakAlgorithms: readonly (readonly [algorithm: string, what: string])[] = [
  ['1.2.840.113549.1.1.2', 'MD2 with RSA'],
  ['1.2.840.113549.1.1.4', 'MD5 with RSA'],
  ['1.2.840.113549.1.1.5', 'SHA-1 with RSA'],
  ['1.2.840.113549.1.1.14', 'SHA-224 with RSA'],
  ['1.3.14.3.2.29', 'SHA-1 with RSA by its older name'],
  ['1.2.840.10040.4.3', 'SHA-1 with DSA'],
  ['2.16.840.1.101.3.4.3.1', 'SHA-224 with DSA'],
  ['1.2.840.10045.4.1', 'SHA-1 with ECDSA'],
  ['1.2.840.10045.4.3.1', 'SHA-224 with ECDSA'],
]

for (const [algorithm, what] of weakAlgorithms) {
  test(`treats ${what} as weak, whatever the key`, () => {
    const by = signerOf(sequence(objectIdentifier(algorithm)), 'sha256', keyPair().privateKey)

    assert.equal(verdictOf(by, keyPair().publicKey), 'weak_algorithm')
  })
}

test("rejects a valid signature under another algorithm's name", () => {
  const names = { ecdsa: '1.2.840.10045.4.3.2', ed25519: '1.3.101.112', rsa: '1.2.840.113549.1.1.11' }
  const wrong = [
    ['RSA-2048', names.ecdsa],
    ['RSA-2048', names.ed25519],
    ['P-256', names.ed25519],
    ['P-256', names.rsa],
  ] as const
  for (const [type, algorithm] of wrong) {
    const { publicKey, privateKey } = keyPair(type)
    const by = signerOf(sequence(objectIdentifier(algorithm)), 'sha256', privateKey)
    assert.equal(verdictOf(by, publicKey), 'invalid')
  }
})

test('rejects unlisted algorithms', () => {
  const { publicKey, privateKey } = keyPair('Ed448')
  assert.equal(verdictOf(signer(privateKey), publicKey), 'unsupported_algorithm')
})

test('rejects an algorithm that does not match the key', () => {
  const types: readonly KeyType[] = ['P-256', 'RSA-2048', 'Ed25519']
  for (const type of types) {
    for (const other of types.filter((candidate) => candidate !== type)) {
      assert.equal(verdictOf(signer(keyPair(type).privateKey), keyPair(other).publicKey), 'invalid')
    }
  }
  const pkcs1 = signer(keyPair('RSA-2048').privateKey)
  assert.equal(verdictOf(pkcs1, keyPair('RSA-PSS').publicKey), 'invalid')
})

test('rejects a signature whose inner and outer algorithms differ', () => {
  const { publicKey, privateKey } = keyPair()
  const signedAlgorithm = signer(privateKey, 'sha384').algorithm

  assert.equal(verdictOf(signer(privateKey), publicKey, { signedAlgorithm }), 'invalid')
})

test('accepts absent or NULL parameters for RSA PKCS #1, and no others', () => {
  const { publicKey, privateKey } = keyPair('RSA-2048')
  const algorithm = objectIdentifier('1.2.840.113549.1.1.11')
  const by = (...parameters: readonly Buffer[]): Signer =>
    signerOf(sequence(algorithm, ...parameters), 'sha256', privateKey)

  assert.equal(verdictOf(by(), publicKey), 'valid')
  assert.equal(verdictOf(by(nullValue), publicKey), 'valid')
  assert.equal(verdictOf(by(sequence()), publicKey), 'unsupported_algorithm')
})

test('rejects parameters for ECDSA and Ed25519', () => {
  const ecdsa = sequence(objectIdentifier('1.2.840.10045.4.3.2'), nullValue)
  const ed25519 = sequence(objectIdentifier('1.3.101.112'), nullValue)

  assert.equal(verdictOf(signerOf(ecdsa, 'sha256', keyPair().privateKey), keyPair().publicKey), 'unsupported_algorithm')
  const { publicKey, privateKey } = keyPair('Ed25519')
  assert.equal(verdictOf(signerOf(ed25519, null, privateKey), publicKey), 'unsupported_algorithm')
})

const digests = {
  sha1: '1.3.14.3.2.26',
  sha224: '2.16.840.1.101.3.4.2.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
  sha3: '2.16.840.1.101.3.4.2.8',
} as const

const digest = (hash: keyof typeof digests): Buffer => sequence(objectIdentifier(digests[hash]), nullValue)
const mask = (inner: Buffer, type = '1.2.840.113549.1.1.8'): Buffer => sequence(objectIdentifier(type), inner)

function pss(privateKey: KeyObject, hash: string, saltLength: number, parameters: Buffer | null): Signer {
  const algorithm = objectIdentifier('1.2.840.113549.1.1.10')
  return {
    algorithm: parameters === null ? sequence(algorithm) : sequence(algorithm, parameters),
    sign: (bytes) => sign(hash, bytes, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  }
}

function pssParameters(hash: keyof typeof digests, saltLength: number): Buffer {
  return sequence(tlv(0xa0, digest(hash)), tlv(0xa1, mask(digest(hash))), tlv(0xa2, integer(saltLength)))
}

for (const type of ['RSA-2048', 'RSA-PSS'] as const) {
  test(`verifies RSASSA-PSS with a key of ${type}`, () => {
    const { publicKey, privateKey } = keyPair(type)
    for (const [hash, saltLength] of [
      ['sha256', 32],
      ['sha256', 222],
      ['sha384', 48],
      ['sha512', 64],
    ] as const) {
      const by = pss(privateKey, hash, saltLength, pssParameters(hash, saltLength))
      assert.equal(verdictOf(by, publicKey), 'valid')
      assert.equal(verdictOf(by, keyPair(type, 1).publicKey), 'invalid')
      assert.equal(verdictOf(by, publicKey, { damage: flipLastBit }), 'invalid')
    }
  })
}

test('accepts absent hash parameters of RSASSA-PSS as NULL', () => {
  const bare = sequence(objectIdentifier(digests.sha256))
  const parameters = sequence(tlv(0xa0, bare), tlv(0xa1, mask(bare)), tlv(0xa2, integer(32)))
  const { publicKey, privateKey } = keyPair('RSA-2048')

  assert.equal(verdictOf(pss(privateKey, 'sha256', 32, parameters), publicKey), 'valid')
})

test('rejects a salt whose length differs from the parameters', () => {
  const { publicKey, privateKey } = keyPair('RSA-2048')

  assert.equal(verdictOf(pss(privateKey, 'sha256', 32, pssParameters('sha256', 40)), publicKey), 'invalid')
})

test('rejects a signature that the parameters of the key forbid', () => {
  const options = { modulusLength: 2048, hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512' }
  const { publicKey } = generateKeyPairSync('rsa-pss', options)
  const by = pss(keyPair('RSA-PSS').privateKey, 'sha256', 32, pssParameters('sha256', 32))

  assert.equal(verdictOf(by, publicKey), 'invalid')
})

const sha256 = digest('sha256')
const [hashField, maskField, saltField] = [tlv(0xa0, sha256), tlv(0xa1, mask(sha256)), tlv(0xa2, integer(32))]

const pssRefusals: readonly (readonly [what: string, parameters: Buffer | null, verdict: string])[] = [
  ['no parameters', null, 'unsupported_algorithm'],
  ['parameters that are not a sequence', nullValue, 'unsupported_algorithm'],
  ['all parameters at their default, SHA-1', sequence(), 'weak_algorithm'],
  ['the hash at its default, SHA-1', sequence(maskField, saltField), 'weak_algorithm'],
  ['the mask at its default, SHA-1', sequence(hashField, saltField), 'weak_algorithm'],
  ['SHA-224', pssParameters('sha224', 32), 'weak_algorithm'],
  ['the salt at its default of 20 bytes', sequence(hashField, maskField), 'unsupported_algorithm'],
  ['a salt shorter than the digest', pssParameters('sha256', 31), 'unsupported_algorithm'],
  ['a salt with an implausible length', pssParameters('sha256', 1025), 'unsupported_algorithm'],
  ['a negative salt length', sequence(hashField, maskField, tlv(0xa2, hex('0201e0'))), 'unsupported_algorithm'],
  [
    'bytes after the salt length',
    sequence(hashField, maskField, tlv(0xa2, integer(32), nullValue)),
    'unsupported_algorithm',
  ],
  ['a hash that is not listed', pssParameters('sha3', 32), 'unsupported_algorithm'],
  [
    'another hash for the mask',
    sequence(hashField, tlv(0xa1, mask(digest('sha512'))), saltField),
    'unsupported_algorithm',
  ],
  ['another mask function', sequence(hashField, tlv(0xa1, mask(sha256, '1.2.3')), saltField), 'unsupported_algorithm'],
  [
    'a mask function with more parameters',
    sequence(hashField, tlv(0xa1, sequence(objectIdentifier('1.2.840.113549.1.1.8'), sha256, nullValue)), saltField),
    'unsupported_algorithm',
  ],
  [
    'a hash with other parameters',
    sequence(tlv(0xa0, sequence(objectIdentifier(digests.sha256), integer(1))), maskField, saltField),
    'unsupported_algorithm',
  ],
  ['a trailer field', sequence(hashField, maskField, saltField, tlv(0xa3, integer(1))), 'unsupported_algorithm'],
]

for (const [what, parameters, verdict] of pssRefusals) {
  test(`rejects RSASSA-PSS with ${what}`, () => {
    const { publicKey, privateKey } = keyPair('RSA-2048')

    assert.equal(verdictOf(pss(privateKey, 'sha256', 32, parameters), publicKey), verdict)
  })
}

test('treats only listed keys as strong', () => {
  const strong: readonly KeyType[] = ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS', 'Ed25519']
  const weak: readonly KeyType[] = ['P-224', 'RSA-1024', 'Ed448']

  for (const type of strong) assert.equal(isStrong(keyPair(type).publicKey), true, type)
  for (const type of weak) assert.equal(isStrong(keyPair(type).publicKey), false, type)
  assert.equal(isStrong(generateKeyPairSync('x25519').publicKey), false)
  assert.equal(isStrong(generateKeyPairSync('rsa', { modulusLength: 2047 }).publicKey), false)
  assert.equal(isStrong(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey), true)
})

for (const [what, modulusBits, exponent, expected] of [
  ['8192 bits', 8192, '010001', true],
  ['more than 8192 bits', 8200, '010001', false],
  ['the exponent 1', 2048, '01', false],
  ['an even exponent', 2048, '010000', false],
  ['an exponent of 33 bits', 2048, '0100000001', false],
] as const) {
  test(`${expected ? 'treats' : 'does not treat'} an RSA key with ${what} as strong`, () => {
    const modulus = tlv(0x02, hex('00'), Buffer.alloc(modulusBits / 8, 0xab))
    const rsaKey = sequence(modulus, tlv(0x02, hex(exponent)))
    const algorithm = sequence(objectIdentifier('1.2.840.113549.1.1.1'), nullValue)
    const publicKey = sequence(algorithm, tlv(0x03, hex('00'), rsaKey))

    assert.equal(isStrongKey(decodeCertificate(encodeCertificate({ publicKey })).keyInfo), expected)
  })
}

function isStrong(key: KeyObject): boolean {
  const [element] = new DerReader(key.export({ type: 'spki', format: 'der' }), 'key').rest()
  return element !== undefined && isStrongKey(decodePublicKeyInfo(element))
}

function flipLastBit(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1)
  return copy
}
