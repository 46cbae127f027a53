import { createPublicKey, type KeyObject } from 'node:crypto'
import { CertificateError } from '../errors.ts'
import { type DerElement, derTag } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeBytes, decodeObjectIdentifier } from './der-values.ts'

/**
 * The properties of a public key that determine its strength. Read without creating a key object, which takes longer
 * than decoding all the rest.
 */
export interface PublicKeyInfo {
  /** The encoded subjectPublicKeyInfo. */
  readonly der: Buffer
  /** `other` for every unsupported algorithm. */
  readonly type: 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'other'
  /** The name of an elliptic curve, or its object identifier if we do not accept it. */
  readonly curve?: string
  /** The size of an RSA key in bits. */
  readonly modulusLength?: number
  /** Of an RSA key; undefined if it has more than six bytes. */
  readonly publicExponent?: number | undefined
}

/**
 * Decodes a subjectPublicKeyInfo (RFC 3279 §2.3, RFC 5480 §2.1.1, RFC 8410 §4).
 *
 * @throws {CertificateError} `certificate_malformed`; `certificate_unsupported` for a curve without a name, and for a
 * key that does not have the form that its algorithm requires
 */
export function decodePublicKeyInfo({ encoded: der, content }: DerElement): PublicKeyInfo {
  const fields = new DerReader(content, where)
  const algorithm = fields.enter(derTag.sequence, where)
  const identifier = decodeObjectIdentifier(algorithm.next(derTag.objectIdentifier), where)
  const parameters = algorithm.done ? undefined : algorithm.nextOfAny()
  algorithm.end()
  const key = decodeBytes(fields.next(derTag.bitString), 'subjectPublicKey')
  fields.end()
  if (identifier === rsaEncryption) return { der, type: 'rsa', ...decodeRsaKey(key) }
  if (identifier === rsaPss) return { der, type: 'rsa-pss', ...decodeRsaKey(key) }
  if (identifier === ed25519) return { der, type: key.length === 32 ? 'ed25519' : refuseForm('Ed25519') }
  if (identifier === ecPublicKey) return { der, type: 'ec', curve: decodeCurve(parameters, key) }
  return { der, type: 'other' }
}

/**
 * Creates the key object. Does not use `new X509Certificate(der)` of `node:crypto`: that searches for PEM first, and
 * finds it inside a DER field that an attacker has filled with PEM.
 *
 * @throws {CertificateError} `certificate_unsupported` for a key that Node cannot read
 */
export function createKey({ der }: PublicKeyInfo): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new CertificateError('certificate_unsupported', `${where}: found a key that Node cannot read`, { cause })
  }
}

/**
 * Returns true if a key is strong enough to sign: RSA of 2048 to 8192 bits with a valid exponent, the NIST curves
 * P-256, P-384 and P-521, and Ed25519. The upper limits stop an attacker's key from causing long computations. With an
 * exponent of 1, every message would be its own signature.
 */
export function isStrongKey({ type, curve = '', modulusLength = 0, publicExponent = 0 }: PublicKeyInfo): boolean {
  if (type === 'ec') return coordinateBytes.has(curve)
  if (type !== 'rsa' && type !== 'rsa-pss') return type === 'ed25519'
  const isSaneExponent = publicExponent >= 3 && publicExponent < 2 ** 32 && publicExponent % 2 === 1
  return isSaneExponent && modulusLength >= 2048 && modulusLength <= 8192
}

/** Describes a key for messages. */
export function describeKey({ type, curve, modulusLength }: PublicKeyInfo): string {
  return `${type} ${modulusLength ?? curve ?? ''}`.trimEnd()
}

const where = 'subjectPublicKeyInfo'

const rsaEncryption = '1.2.840.113549.1.1.1'
const rsaPss = '1.2.840.113549.1.1.10'
const ecPublicKey = '1.2.840.10045.2.1'
const ed25519 = '1.3.101.112'

const curves: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.3.1.7', 'P-256'],
  ['1.3.132.0.34', 'P-384'],
  ['1.3.132.0.35', 'P-521'],
])

/** The size of one coordinate of a point. */
const coordinateBytes: ReadonlyMap<string, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
])

function decodeRsaKey(key: Buffer): Pick<PublicKeyInfo, 'modulusLength' | 'publicExponent'> {
  const fields = enterOnly(key, derTag.sequence, 'RSAPublicKey')
  const modulus = trimPositive(fields.next(derTag.integer).content)
  const exponent = trimPositive(fields.next(derTag.integer).content)
  fields.end()
  const first = modulus.readUInt8(0)
  return {
    modulusLength: modulus.length * 8 - (Math.clz32(first) - 24),
    publicExponent: exponent.length > 6 ? undefined : exponent.readUIntBE(0, exponent.length),
  }
}

// Returns a positive INTEGER in its shortest form, without the leading zero that marks it as positive.
function trimPositive(content: Buffer): Buffer {
  const [first = 0xff, second = 0] = content
  if (content.length === 0 || first >= 0x80 || (first === 0 && (content.length === 1 || second < 0x80))) {
    return refuseForm('RSA')
  }
  return first === 0 ? content.subarray(1) : content
}

// A curve with explicit parameters can be P-256 except for the base point. An attacker can then have a private key for
// any public key.
function decodeCurve(parameters: DerElement | undefined, point: Buffer): string {
  if (parameters?.tag !== derTag.objectIdentifier) {
    throw new CertificateError(
      'certificate_unsupported',
      `${where}: found a key without a named curve, expected one such as P-256`,
    )
  }
  const identifier = decodeObjectIdentifier(parameters, where)
  const curve = curves.get(identifier)
  if (curve === undefined) return identifier
  // SEC 1 §2.3.3: both coordinates, or one coordinate and the sign of the other.
  const [form = 0] = point
  const coordinates = form === 4 ? 2 : form === 2 || form === 3 ? 1 : 0
  const isPoint = coordinates > 0 && point.length === 1 + coordinates * (coordinateBytes.get(curve) ?? 0)
  return isPoint ? curve : refuseForm(curve)
}

function refuseForm(algorithm: string): never {
  throw new CertificateError(
    'certificate_unsupported',
    `${where}: algorithm is ${algorithm} but the key is not a valid ${algorithm} key`,
  )
}
