import { createPublicKey, type KeyObject } from 'node:crypto'
import { CertificateError } from '../errors.ts'
import type { JsonObject, JsonValue } from '../trust/strict-json.ts'
import { type JwtKeyKind, keyKindOf } from './algorithms.ts'

/** The public key of a JWT authority, imported once. */
export interface JwtKey {
  /** The `kid`, unique at most within its trust domain. */
  readonly id: string
  readonly kind: JwtKeyKind
  /** The only algorithm that the publisher allows for this key (RFC 7517 §4.4). Undefined: any that fits its kind. */
  readonly algorithm: string | undefined
  readonly publicKey: KeyObject
}

/**
 * Imports the public key of a JWT authority. Its `use` has been checked and has no influence on the import.
 *
 * @throws {CertificateError} `key_malformed` for an unreadable key, a private key, or one without `kid`;
 * `key_unsupported` for a curve without an algorithm; `authority_unusable` for a weak RSA key
 */
export function createJwtKey(jwk: JsonObject): JwtKey {
  const id = jwk.get('kid')
  // JWT-SVID §6.1.
  if (typeof id !== 'string' || id === '') return refuse('key_malformed', 'found no kid, expected a non-empty one')
  const algorithm = jwk.get('alg')
  if (algorithm !== undefined && keyKindOf(algorithm) === undefined) {
    refuse('key_unsupported', 'found a key for another algorithm, expected RS, ES or PS with 256, 384 or 512')
  }
  // Any reader of the bundle could sign with it.
  if (privateMembers.some((name) => jwk.has(name)))
    refuse('key_malformed', 'found a private key, expected a public one')
  const publicKey = importKey(jwk)
  const kind = jwk.get('kty') === 'RSA' ? checkRsa(publicKey) : readCurve(jwk.get('crv'))
  return { id, kind, algorithm: typeof algorithm === 'string' ? algorithm : undefined, publicKey }
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function importKey(jwk: JsonObject): KeyObject {
  // Only the members that define the key. Node.js rejects a point that is not on its curve.
  const members = ['kty', 'n', 'e', 'crv', 'x', 'y'].map((name) => [name, jwk.get(name)] as const)
  try {
    return createPublicKey({ key: Object.fromEntries(members), format: 'jwk' })
  } catch (cause) {
    const message = 'found a key that cannot be imported, expected an RSA key or a point on a curve (RFC 7518 §6)'
    throw new CertificateError('key_malformed', message, { cause })
  }
}

// RFC 7518 §3.3 and §3.5: at least 2048 bits. The upper limits stop a publisher's key from causing long computations.
// With an exponent of 1, every message would be its own signature.
function checkRsa({ asymmetricKeyDetails }: KeyObject): JwtKeyKind {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  const isSaneExponent = publicExponent >= 3n && publicExponent < 2n ** 32n && publicExponent % 2n === 1n
  if (modulusLength >= 2048 && modulusLength <= 8192 && isSaneExponent) return 'RSA'
  return refuse(
    'authority_unusable',
    `found RSA with ${modulusLength} bits and the exponent ${publicExponent}, expected 2048 to 8192 and an odd one from 3`,
  )
}

function readCurve(curve: JsonValue | undefined): JwtKeyKind {
  if (curve === 'P-256' || curve === 'P-384' || curve === 'P-521') return curve
  return refuse('key_unsupported', 'found another curve, expected P-256, P-384 or P-521')
}

function refuse(code: 'key_malformed' | 'key_unsupported' | 'authority_unusable', message: string): never {
  throw new CertificateError(code, message)
}
