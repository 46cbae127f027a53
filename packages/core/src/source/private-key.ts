import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { CertificateError } from '../errors.ts'

/**
 * Reads a private key: PEM (PKCS#8, PKCS#1 or SEC 1) or PKCS#8 DER, encrypted or not.
 *
 * @throws {CertificateError} `passphrase_missing` for an encrypted key without a passphrase, `passphrase_wrong` for one
 * that it does not open, `key_malformed` for anything else that is no private key
 */
export function parsePrivateKey(input: string | Uint8Array, passphrase?: string): KeyObject {
  const bytes = Buffer.from(input)
  const isDer = bytes[0] === derSequence
  const secret = passphrase === undefined ? {} : { passphrase }
  try {
    return isDer
      ? createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8', ...secret })
      : createPrivateKey({ key: bytes, format: 'pem', ...secret })
  } catch (cause) {
    // The cause names the defect only; the bytes of a key never get into an error.
    throw explain(bytes, isDer, passphrase, cause)
  }
}

/**
 * Checks that a key is the leaf's.
 *
 * @throws {CertificateError} `key_mismatch`
 */
export function checkKeyFits(key: KeyObject, leaf: Certificate | undefined): void {
  if (leaf !== undefined && createPublicKey(key).equals(leaf.publicKey)) return
  throw new CertificateError(
    'key_mismatch',
    'key: found a key that does not belong to the first certificate of cert, expected the key of the leaf',
  )
}

const derSequence = 0x30

function explain(bytes: Buffer, isDer: boolean, passphrase: string | undefined, cause: unknown): CertificateError {
  if (isDer ? isEncryptedDer(bytes) : isEncryptedPem(bytes)) {
    return passphrase === undefined
      ? new CertificateError('passphrase_missing', 'key: found an encrypted key, expected a passphrase with it')
      : new CertificateError('passphrase_wrong', 'key: the passphrase does not open the encrypted key', { cause })
  }
  const found = describeContent(bytes, isDer)
  return new CertificateError('key_malformed', `key: found ${found}, expected a private key as PEM or PKCS#8 DER`, {
    cause,
  })
}

function describeContent(bytes: Buffer, isDer: boolean): string {
  if (isDer) return 'DER that is no private key, or a part of one'
  const [, label = ''] = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(bytes.toString('latin1')) ?? []
  if (label === '') return 'no PEM'
  return label.endsWith('PRIVATE KEY') ? 'a private key that is broken or cut off' : `PEM of a ${label.toLowerCase()}`
}

function isEncryptedPem(bytes: Buffer): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(bytes.toString('latin1'))
}

// RFC 5958 §3: the sequence of an encrypted key begins with the sequence of its algorithm, that of a plain one with a
// version.
function isEncryptedDer(bytes: Buffer): boolean {
  const lengthBytes = (bytes[1] ?? 0) < 0x80 ? 1 : 1 + ((bytes[1] ?? 0) & 0x7f)
  return bytes[1 + lengthBytes] === derSequence
}
