import { maxPieces } from '../certificate/der.ts'
import type { EncodedCertificate } from '../certificate/pem.ts'
import { CertificateError } from '../errors.ts'
import { describeValue } from '../options.ts'
import { listDistinct, publish, type PublishedCertificate } from './authorities.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from './strict-json.ts'

/**
 * The content of a bundle for verifiers of X.509-SVIDs, before any certificate is decoded. A SPIFFE bundle document
 * without authorities is valid: it revokes every X.509-SVID of the trust domain (SPIFFE Trust Domain and Bundle
 * §4.1.3).
 */
export interface PublishedBundle {
  /** Without duplicates. */
  readonly certificates: readonly PublishedCertificate[]
  /** `spiffe_sequence` (§4.1.1), exact above 2^53. Undefined if it is missing or not an integer. */
  readonly sequence: bigint | undefined
  /** `spiffe_refresh_hint` (§4.1.2), at least 1. Undefined if it is missing, negative or not an integer. */
  readonly refreshHintSeconds: number | undefined
}

/** Returns true if a configured text or file starts like a JSON object. PEM and DER never start with a brace. */
export function isBundleDocument(input: string | Uint8Array): boolean {
  const text =
    typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('latin1')
  return /^(?:\uFEFF|\xEF\xBB\xBF)?[ \t\r\n]*\{/.test(text)
}

/**
 * Reads the X.509 authorities of a SPIFFE bundle document, which is a JWK Set (RFC 7517 §5). Entries for other kinds of
 * SVID and entries of unknown types are ignored, as the standard requires.
 *
 * @throws {CertificateError} `bundle_malformed` if the structure is not a bundle, `bundle_too_large` above 4096
 * authorities
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
 * @see https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#62-consuming-a-spiffe-bundle
 */
export function parseBundleDocument(trustDomain: string, value: JsonValue): PublishedBundle {
  if (!isJsonObject(value)) refuse(trustDomain, describe(value), "an object with 'keys'")
  const keys = value.get('keys')
  if (!isJsonArray(keys)) {
    const found = keys === undefined ? "no 'keys'" : `${describe(keys)} as 'keys'`
    refuse(trustDomain, found, 'an array of keys, empty when everything is revoked')
  }
  const encoded = keys.flatMap((key, index) => {
    const place = `keys[${index}]`
    if (!isJsonObject(key)) refuse(trustDomain, `${describe(key)} as ${place}`, 'a JWK, which is an object')
    const text = readCertificateText(trustDomain, place, key)
    return text === undefined ? [] : { place: `${place}.x5c[0]`, text }
  })
  if (encoded.length > maxPieces) {
    const message = `bundle of ${trustDomain}: found ${encoded.length} authorities, expected at most ${maxPieces}`
    throw new CertificateError('bundle_too_large', message, { value: trustDomain })
  }
  return {
    certificates: listDistinct(encoded.map(({ place, text }) => publish(place, decodeBase64(text)))),
    sequence: parseSequence(value.get('spiffe_sequence')),
    refreshHintSeconds: parseRefreshHint(value.get('spiffe_refresh_hint')),
  }
}

/**
 * The key types of RFC 7518 §6.1 and RFC 8037 §2. The symmetric type `oct` is excluded because it cannot certify
 * anything.
 */
const knownKeyTypes: ReadonlySet<JsonValue | undefined> = new Set(['EC', 'RSA', 'OKP'])

/** Returns the base64 of an X.509 authority, or undefined if the entry must be ignored. */
function readCertificateText(trustDomain: string, place: string, key: JsonObject): string | undefined {
  // §4.2.1 and §4.2.2: unknown key types and uses are ignored. Both comparisons are case-sensitive.
  if (!knownKeyTypes.has(key.get('kty')) || key.get('use') !== 'x509-svid') return undefined
  const chain = key.get('x5c')
  if (chain === undefined) return undefined
  if (!isJsonArray(chain)) refuse(trustDomain, `${describe(chain)} as ${place}.x5c`, 'an array with a certificate')
  // X509-SVID §6.2: an empty `x5c` is ignored like a missing one, and so is everything after the first value.
  const [first] = chain
  if (first === undefined || typeof first === 'string') return first
  return refuse(trustDomain, `${describe(first)} as ${place}.x5c[0]`, 'a certificate in base64')
}

/**
 * Decodes strict base64. `Buffer.from` skips invalid characters and accepts base64url, so the bytes are encoded again
 * and compared.
 */
function decodeBase64(encoded: string): EncodedCertificate {
  const der = Buffer.from(encoded, 'base64')
  if (encoded !== '' && der.toString('base64') === encoded) return der
  const message = 'found invalid base64, expected standard base64 with padding and without line breaks'
  return new CertificateError('certificate_malformed', message)
}

function parseSequence(value: JsonValue | undefined): bigint | undefined {
  return typeof value === 'bigint' ? value : undefined
}

/**
 * Returns the refresh hint in seconds, or undefined if it is unusable. The consumer then uses its own interval instead
 * of one that is too long for any timer.
 */
function parseRefreshHint(value: JsonValue | undefined): number | undefined {
  if (typeof value !== 'bigint' || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  // With a hint of 0 a consumer could poll in a busy loop.
  return Math.max(Number(value), 1)
}

function describe(value: JsonValue): string {
  return typeof value === 'bigint' ? 'a number' : describeValue(value)
}

function refuse(trustDomain: string, found: string, expected: string): never {
  const message = `bundle of ${trustDomain}: found ${found}, expected ${expected}`
  throw new CertificateError('bundle_malformed', message, { value: trustDomain })
}
