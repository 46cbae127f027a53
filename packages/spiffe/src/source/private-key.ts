import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { describeFormat, isDer } from '../certificate/file-format.ts'
import { refuseJavaStore } from '../certificate/pem.ts'
import { decodePemBlock, type PemBlock, readPemBlocks } from '../certificate/pem-blocks.ts'
import { CertificateError } from '../errors.ts'
import { examineEncryptedKey, isCipherAvailable } from './encrypted-key.ts'
import { explainPkcs8, explainUnread, readPkcs8 } from './pkcs8.ts'

/**
 * Reads a private key: PEM (PKCS#8, PKCS#1 or SEC 1) or PKCS#8 DER, encrypted or not.
 *
 * @throws {CertificateError} `passphrase_missing` for an encrypted key without a passphrase, `passphrase_wrong` if the
 * passphrase does not open it, `key_unsupported` for a valid key or encryption that this Node.js cannot read,
 * `key_malformed` for anything else that is not exactly one private key
 */
export function parsePrivateKey(input: string | Uint8Array, passphrase?: string): KeyObject {
  if (typeof input !== 'string') {
    refuseJavaStore(input)
    if (isDer(input)) return openDer(Buffer.from(input), passphrase)
  }
  return openBlock(findKeyBlock(input), passphrase)
}

/**
 * Checks that a key belongs to the leaf.
 *
 * @throws {CertificateError} `key_mismatch`
 */
export function checkKeyFits(key: KeyObject, leaf: Certificate | undefined): void {
  if (leaf !== undefined && createPublicKey(key).equals(leaf.publicKey)) return
  throw new CertificateError(
    'key_mismatch',
    'key: found a key that does not match the first certificate of cert, expected the key of the leaf',
  )
}

function findKeyBlock(input: string | Uint8Array): PemBlock {
  const format = describeFormat(input)
  const blocks = asKey(() => readPemBlocks(input), format)
  const [block, ...more] = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'))
  if (more.length > 0) return refuse(`${more.length + 1} private keys`, 'exactly one')
  if (block !== undefined) return block
  const labels = blocks.map(({ label }) => describeLabel(label))
  return refuse(labels.length === 0 ? (format ?? 'no PEM') : `${labels.join(' and ')}, and no private key`)
}

function describeLabel(label: string): string {
  if (label.endsWith('CERTIFICATE REQUEST')) return 'a certificate signing request'
  return /^[AEIOUX]/.test(label) ? `an ${label.toLowerCase()}` : `a ${label.toLowerCase()}`
}

function openBlock(block: PemBlock, passphrase: string | undefined): KeyObject {
  const { label, headers } = block
  if (headers.has('Proc-Type')) return openOlderPem(block, passphrase)
  if (label === 'OPENSSH PRIVATE KEY') {
    return refuseForm('an OpenSSH key', 'PKCS#8; convert a copy with ssh-keygen -p -m PKCS8 -f <copy>')
  }
  const der = asKey(() => decodePemBlock(block))
  switch (label) {
    case 'PRIVATE KEY':
      return openPkcs8(der)
    case 'ENCRYPTED PRIVATE KEY':
      return openEncrypted(der, passphrase)
    case 'RSA PRIVATE KEY':
      return openAs('pkcs1', der)
    case 'EC PRIVATE KEY':
      return openAs('sec1', der)
    default:
      return refuseForm(`a ${label} block`, 'PRIVATE KEY, ENCRYPTED PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY')
  }
}

function openDer(der: Buffer, passphrase: string | undefined): KeyObject {
  const format = describeFormat(der) ?? 'DER that is not a private key'
  if (format.startsWith('an encrypted private key')) return openEncrypted(der, passphrase)
  if (format.startsWith('a private key (PKCS#8')) return openPkcs8(der)
  return refuse(format)
}

function openPkcs8(der: Buffer): KeyObject {
  const found = asKey(() => readPkcs8(der), 'an invalid or truncated private key')
  try {
    return createPrivateKey({ key: found.der, format: 'der', type: 'pkcs8' })
  } catch (cause) {
    // The cause only names the defect. The bytes of a key must never appear in an error.
    throw explainPkcs8(found, cause)
  }
}

function openAs(type: 'pkcs1' | 'sec1', der: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: der, format: 'der', type })
  } catch (cause) {
    const isWhole = /^an (?:EC|RSA) private key/.test(describeFormat(der) ?? '')
    throw isWhole
      ? explainUnread(cause)
      : new CertificateError(
          'key_malformed',
          'key: found an invalid or truncated private key, expected a complete one',
          {
            cause,
          },
        )
  }
}

function openEncrypted(der: Buffer, passphrase: string | undefined): KeyObject {
  let failure: unknown
  if (passphrase !== undefined) {
    try {
      return createPrivateKey({ key: der, format: 'der', type: 'pkcs8', passphrase })
    } catch (cause) {
      failure = cause
    }
  }
  const finding = asKey(() => examineEncryptedKey(der, passphrase), 'an invalid or truncated encrypted private key')
  if (finding.kind === 'unsupported') return refuseEncryption(finding.what, failure)
  if (passphrase === undefined) return refusePassphraseMissing()
  if (finding.kind === 'opened') return openPkcs8(finding.pkcs8)
  return refusePassphrase(failure)
}

// The format of RFC 1421, as `openssl rsa -traditional` writes it.
function openOlderPem(block: PemBlock, passphrase: string | undefined): KeyObject {
  const { label, headers, base64 } = block
  const [cipher = '', iv = ''] = (headers.get('DEK-Info') ?? '').split(',')
  if (cipher === '' || iv === '') return refuse('an encrypted key without the header DEK-Info')
  if (!isCipherAvailable(cipher.toLowerCase())) return refuseEncryption(cipher, undefined)
  if (passphrase === undefined) return refusePassphraseMissing()
  asKey(() => decodePemBlock({ ...block, headers: new Map() }))
  const lines = [`Proc-Type: 4,ENCRYPTED`, `DEK-Info: ${cipher},${iv}`, '', base64.replace(/.{64}(?!$)/g, '$&\n')]
  try {
    const key = `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
    return createPrivateKey({ key, format: 'pem', passphrase })
  } catch (cause) {
    return refusePassphrase(cause)
  }
}

/** Reads a part of a key and turns certificate errors into key errors. */
function asKey<Value>(read: () => Value, format?: string): Value {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    if (format !== undefined) return refuse(format)
    throw new CertificateError('key_malformed', `key: ${cause.message}`, { cause })
  }
}

function refusePassphraseMissing(): never {
  throw new CertificateError('passphrase_missing', 'key: found an encrypted key, expected a passphrase for it')
}

// If Node's error code is not conclusive, the message names both possible causes.
function refusePassphrase(cause: unknown): never {
  const isCertain = cause instanceof Error && 'code' in cause && cause.code === 'ERR_OSSL_BAD_DECRYPT'
  const doubt = isCertain ? '' : ', or the decrypted content is not a key that this version of Node.js can read'
  throw new CertificateError('passphrase_wrong', `key: the passphrase does not decrypt the key${doubt}`, {
    cause,
  })
}

function refuseEncryption(what: string, cause: unknown): never {
  const remedy =
    're-encrypt it with openssl pkcs8 -topk8 -v2 aes256 -provider legacy -provider default -in <old> -out <new>'
  const message = `key: found a key encrypted with ${what}, which this OpenSSL does not support, expected AES; ${remedy}`
  throw new CertificateError('key_unsupported', message, cause === undefined ? {} : { cause })
}

function refuseForm(found: string, expected: string): never {
  throw new CertificateError('key_unsupported', `key: found ${found}, expected ${expected}`)
}

function refuse(found: string, expected: string = 'a private key as PEM or PKCS#8 DER'): never {
  throw new CertificateError('key_malformed', `key: found ${found}, expected ${expected}`)
}
