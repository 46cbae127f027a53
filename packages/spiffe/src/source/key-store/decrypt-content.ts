import { createDecipheriv } from 'node:crypto'
import { type DerElement, derTag } from '../../certificate/der.ts'
import { DerReader } from '../../certificate/der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from '../../certificate/der-values.ts'
import { CertificateError } from '../../errors.ts'
import { decryptRc2 } from './decrypt-rc2.ts'
import type { Derivation, HashFunction, KeyDerivation, Secret } from './derive-key.ts'

/** The passphrase and the key derivation for one store. */
export interface Opener {
  readonly secret: Secret
  readonly derivation: KeyDerivation
}

/** An AlgorithmIdentifier. */
export interface Algorithm {
  readonly oid: string
  /** Throws if there are no parameters. */
  readonly readParameters: () => DerReader
}

/**
 * Decrypts a part of a store: PBES2 with PBKDF2 and AES or 3DES, or one of the two older schemes that were the default
 * of openssl and keytool (RFC 7292 §C).
 *
 * @throws {CertificateError} `key_store_unsupported` with the object identifier of any other algorithm,
 * `passphrase_wrong`, `key_store_malformed` for too many iterations, `certificate_malformed` for broken parameters
 */
export function decryptContent(algorithm: DerElement, data: Buffer, { secret, derivation }: Opener): Buffer {
  const { oid, readParameters } = readAlgorithm(algorithm)
  if (oid === pbes2) {
    const { cipher, iv, ...parameters } = readPbes2(readParameters())
    return decrypt(cipher.name, derivation.derivePbkdf2(secret, parameters, cipher.keyLength), iv, data)
  }
  if (oid !== tripleDes && oid !== rc2) return refuseAlgorithm(oid)
  const parameters = readPbe(readParameters())
  const { key, iv } = derivation.deriveCipherKey(secret, parameters, oid === rc2 ? 5 : 24)
  return oid === rc2 ? (decryptRc2(key, iv, data) ?? refusePassphrase()) : decrypt('des-ede3-cbc', key, iv, data)
}

/** Reads an AlgorithmIdentifier. Its parameters are read only on request. */
export function readAlgorithm({ content }: DerElement): Algorithm {
  const fields = new DerReader(content, 'algorithm')
  const oid = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'algorithm')
  return { oid, readParameters: () => fields.enter(derTag.sequence, 'parameters') }
}

const sha1: HashFunction = { name: 'sha1', size: 20, block: 64 }
const sha256: HashFunction = { name: 'sha256', size: 32, block: 64 }
const sha384: HashFunction = { name: 'sha384', size: 48, block: 128 }
const sha512: HashFunction = { name: 'sha512', size: 64, block: 128 }

/** The hash functions for a MAC, by object identifier. */
export const digests: ReadonlyMap<string, HashFunction> = new Map([
  ['1.2.840.113549.2.5', { name: 'md5', size: 16, block: 64 }],
  ['1.3.14.3.2.26', sha1],
  ['2.16.840.1.101.3.4.2.1', sha256],
  ['2.16.840.1.101.3.4.2.2', sha384],
  ['2.16.840.1.101.3.4.2.3', sha512],
])

/** The HMAC functions for PBKDF2 (RFC 8018 §B.1.2). */
const hmacs: ReadonlyMap<string, HashFunction> = new Map([
  ['1.2.840.113549.2.7', sha1],
  ['1.2.840.113549.2.8', { name: 'sha224', size: 28, block: 64 }],
  ['1.2.840.113549.2.9', sha256],
  ['1.2.840.113549.2.10', sha384],
  ['1.2.840.113549.2.11', sha512],
])

/**
 * Throws the error for an unsupported algorithm or content, with its object identifier.
 *
 * @throws {CertificateError} `key_store_unsupported`
 */
export function refuseAlgorithm(oid: string): never {
  const remedy = 'expected what openssl and keytool write by default; export it again'
  const message = `key store: found ${oid}, which is not supported, ${remedy}`
  throw new CertificateError('key_store_unsupported', message, { value: oid })
}

const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2 = '1.2.840.113549.1.5.12'
const tripleDes = '1.2.840.113549.1.12.1.3'
const rc2 = '1.2.840.113549.1.12.1.6'

interface Cipher {
  readonly name: string
  readonly keyLength: number
  readonly ivLength: number
}

const ciphers: ReadonlyMap<string, Cipher> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyLength: 16, ivLength: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyLength: 24, ivLength: 16 }],
  ['2.16.840.1.101.3.4.1.42', { name: 'aes-256-cbc', keyLength: 32, ivLength: 16 }],
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyLength: 24, ivLength: 8 }],
])

interface Pbes2 extends Derivation {
  readonly cipher: Cipher
  readonly iv: Buffer
}

/** Reads the parameters of PBES2 (RFC 8018 §A.4 and §A.2). */
function readPbes2(fields: DerReader): Pbes2 {
  const kdf = readAlgorithm(fields.next(derTag.sequence))
  const encryption = fields.enter(derTag.sequence, 'encryption')
  fields.end()
  if (kdf.oid !== pbkdf2) refuseAlgorithm(kdf.oid)
  const cipherOid = decodeObjectIdentifier(encryption.next(derTag.objectIdentifier), 'encryption')
  const cipher = ciphers.get(cipherOid) ?? refuseAlgorithm(cipherOid)
  const iv = encryption.next(derTag.octetString).content
  encryption.end()
  if (iv.length !== cipher.ivLength) refuse(`an initialization vector of ${iv.length} bytes`, `${cipher.ivLength}`)
  const parameters = kdf.readParameters()
  const salt = parameters.next(derTag.octetString).content
  const iterations = decodeUnsigned(parameters.next(derTag.integer), 'iterations')
  // Ignored, because the cipher determines the length of the key.
  parameters.nextIf(derTag.integer)
  const prf = parameters.nextIf(derTag.sequence)
  parameters.end()
  return { cipher, iv, salt, iterations, hash: prf === undefined ? sha1 : findHmac(readAlgorithm(prf).oid) }
}

function findHmac(oid: string): HashFunction {
  return hmacs.get(oid) ?? refuseAlgorithm(oid)
}

/** Reads the parameters of the older schemes (RFC 7292 §C). */
function readPbe(fields: DerReader): Derivation {
  const salt = fields.next(derTag.octetString).content
  const iterations = decodeUnsigned(fields.next(derTag.integer), 'iterations')
  fields.end()
  return { salt, iterations, hash: sha1 }
}

function decrypt(cipher: string, key: Buffer, iv: Buffer, data: Buffer): Buffer {
  try {
    const decipher = createDecipheriv(cipher, key, iv)
    return Buffer.concat([decipher.update(data), decipher.final()])
  } catch {
    return refusePassphrase()
  }
}

function refusePassphrase(): never {
  const text =
    'key store: found a key or certificates with a different passphrase than the MAC, expected one passphrase for all'
  throw new CertificateError('passphrase_wrong', text)
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
