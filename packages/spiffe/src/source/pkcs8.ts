import { type DerElement, derTag } from '../certificate/der.ts'
import { DerReader, enterOnly } from '../certificate/der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from '../certificate/der-values.ts'
import { CertificateError } from '../errors.ts'

/** A private key in PKCS#8. The key inside is not parsed. */
export interface Pkcs8Key {
  /** As PKCS#8 version 1, which every OpenSSL reads. */
  readonly der: Buffer
  readonly algorithm: string
  /** The object identifier of a named curve, if there is one. */
  readonly curve: string | undefined
  /** Whether the key inside has the structure that its algorithm requires. */
  readonly isWhole: boolean
}

/**
 * Reads the envelope of a PKCS#8 key, version 1 or 2 (RFC 5958 §2). Version 2 adds the public key. ring and rcgen write
 * version 2 but OpenSSL 3.0 does not read it, so the key is encoded again as version 1.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function readPkcs8(encoded: Buffer): Pkcs8Key {
  const fields = enterOnly(encoded, derTag.sequence, 'PKCS#8')
  const version = decodeUnsigned(fields.next(derTag.integer), 'PKCS#8')
  const algorithm = fields.next(derTag.sequence)
  const key = fields.next(derTag.octetString)
  fields.nextIf(0xa0)
  if (version === 1) fields.nextIf(0x81)
  fields.end()
  if (version > 1) {
    throw new CertificateError('certificate_malformed', `PKCS#8: found version ${version + 1}, expected 1 or 2`)
  }
  const der = version === 0 ? encoded : wrap([versionOne, algorithm.encoded, key.encoded])
  const kind = readAlgorithm(algorithm)
  return { der, ...kind, isWhole: isWhole(kind.algorithm, key.content) }
}

/**
 * Explains why Node does not read a key with a valid envelope: its algorithm is not supported, or the key inside is
 * broken.
 */
export function explainPkcs8({ algorithm, curve, isWhole }: Pkcs8Key, cause: unknown): CertificateError {
  if (curve !== undefined && !curves.has(curve)) return explainKind(`the curve ${curve}`, cause)
  if (!algorithms.has(algorithm)) return explainKind(`the algorithm ${algorithm}`, cause)
  if (isWhole) return explainUnread(cause)
  return new CertificateError('key_malformed', `key: found an invalid private key, ${expected}`, { cause })
}

/** Returns the error for a key that the library rejects although we find no fault in it. */
export function explainUnread(cause: unknown): CertificateError {
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  const message = `key: found a private key that this version of Node.js cannot read${reason}, ${expected}`
  return new CertificateError('key_unsupported', message, { cause })
}

function explainKind(kind: string, cause: unknown): CertificateError {
  return new CertificateError('key_unsupported', `key: found a private key with ${kind}, ${expected}`, { cause })
}

const expected = 'expected RSA, P-256, P-384, P-521 or Ed25519'

const versionOne = Buffer.of(derTag.integer, 1, 0)

const ecPublicKey = '1.2.840.10045.2.1'

/** rsaEncryption, id-RSASSA-PSS, ecPublicKey, Ed25519. */
const algorithms: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.1',
  '1.2.840.113549.1.1.10',
  ecPublicKey,
  '1.3.101.112',
])

const curves: ReadonlySet<string> = new Set(['1.2.840.10045.3.1.7', '1.3.132.0.34', '1.3.132.0.35'])

// RFC 8017 §A.1.2, RFC 5915 §3, RFC 8410 §7.
function isWhole(algorithm: string, key: Buffer): boolean {
  try {
    if (algorithm === '1.3.101.112') {
      const fields = new DerReader(key, 'key')
      const { length } = fields.next(derTag.octetString).content
      return fields.done && length === 32
    }
    const fields = enterOnly(key, derTag.sequence, 'key')
    fields.next(derTag.integer)
    if (algorithm === ecPublicKey) return fields.next(derTag.octetString).content.length > 0
    return fields.rest().filter(({ tag }) => tag === derTag.integer).length === 8
  } catch (error) {
    if (error instanceof CertificateError) return false
    throw error
  }
}

function readAlgorithm({ content }: DerElement): Pick<Pkcs8Key, 'algorithm' | 'curve'> {
  const fields = new DerReader(content, 'PKCS#8')
  const algorithm = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'PKCS#8')
  const parameters = fields.done ? undefined : fields.nextOfAny()
  fields.end()
  const isNamed = algorithm === ecPublicKey && parameters?.tag === derTag.objectIdentifier
  return { algorithm, curve: isNamed ? decodeObjectIdentifier(parameters, 'PKCS#8') : undefined }
}

function wrap(parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(content.length)
  const size =
    content.length < 0x80
      ? Buffer.of(content.length)
      : content.length < 0x100
        ? Buffer.of(0x81, content.length)
        : Buffer.concat([Buffer.of(0x82), length])
  return Buffer.concat([Buffer.of(derTag.sequence), size, content])
}
