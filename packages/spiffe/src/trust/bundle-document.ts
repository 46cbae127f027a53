import { maxPieces } from '../certificate/der.ts'
import type { EncodedCertificate } from '../certificate/pem.ts'
import { CertificateError } from '../errors.ts'
import { describeValue } from '../options.ts'
import { listDistinct, publish, type PublishedCertificate } from './authorities.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from './strict-json.ts'

/**
 * What a bundle publishes to verifiers of X.509-SVIDs, none of its certificates decoded yet. A SPIFFE bundle document
 * without any authority is valid: it revokes every X.509-SVID of the trust domain (SPIFFE Trust Domain and Bundle §4.1.3).
 */
export interface PublishedBundle {
  /** Each once. */
  readonly certificates: readonly PublishedCertificate[]
  /** `spiffe_sequence` (§4.1.1), exact above 2^53; undefined without one, and for what is no integer. */
  readonly sequence: bigint | undefined
  /** `spiffe_refresh_hint` (§4.1.2), at least 1; undefined without one, and for what is no integer or negative. */
  readonly refreshHintSeconds: number | undefined
}

/** Whether a configured text or file begins as JSON does; PEM and DER never begin with a brace. */
export function isBundleDocument(input: string | Uint8Array): boolean {
  const text =
    typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('latin1')
  return /^(?:\uFEFF|\xEF\xBB\xBF)?[ \t\r\n]*\{/.test(text)
}

/**
 * Reads the X.509 authorities out of a SPIFFE bundle: a JWK Set (RFC 7517 §5) whose entries say what they are for. The
 * entries for other SVIDs, and those of unknown kinds, are passed over as the standard demands.
 *
 * @throws {CertificateError} `bundle_malformed` for a structure that is no bundle, `bundle_too_large` for more than 4096
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

/** RFC 7518 §6.1 and RFC 8037 §2, without the symmetric `oct`, which certifies nothing. */
const knownKeyTypes: ReadonlySet<JsonValue | undefined> = new Set(['EC', 'RSA', 'OKP'])

/** The base64 of an X.509 authority, or undefined for an entry that is to be ignored. */
function readCertificateText(trustDomain: string, place: string, key: JsonObject): string | undefined {
  // §4.2.1 and §4.2.2: unknown key types and uses are ignored, and both are compared with their case.
  if (!knownKeyTypes.has(key.get('kty')) || key.get('use') !== 'x509-svid') return undefined
  const chain = key.get('x5c')
  if (chain === undefined) return undefined
  if (!isJsonArray(chain)) refuse(trustDomain, `${describe(chain)} as ${place}.x5c`, 'an array with a certificate')
  // X509-SVID §6.2: an empty one is ignored as a missing one is, and so is everything after the first value.
  const [first] = chain
  if (first === undefined || typeof first === 'string') return first
  return refuse(trustDomain, `${describe(first)} as ${place}.x5c[0]`, 'the base64 of a certificate')
}

/** `Buffer.from` skips what is not base64 and takes base64url for it, so only text that comes back unchanged counts. */
function decodeBase64(encoded: string): EncodedCertificate {
  const der = Buffer.from(encoded, 'base64')
  if (encoded !== '' && der.toString('base64') === encoded) return der
  const message = 'found broken base64, expected standard base64 with its padding and no line breaks'
  return new CertificateError('certificate_malformed', message)
}

function parseSequence(value: JsonValue | undefined): bigint | undefined {
  return typeof value === 'bigint' ? value : undefined
}

/** Without a hint a consumer falls back to its own interval, which is better than one that no timer can wait for. */
function parseRefreshHint(value: JsonValue | undefined): number | undefined {
  if (typeof value !== 'bigint' || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  // A consumer that takes 0 at its word asks without a pause.
  return Math.max(Number(value), 1)
}

function describe(value: JsonValue): string {
  return typeof value === 'bigint' ? 'a number' : describeValue(value)
}

function refuse(trustDomain: string, found: string, expected: string): never {
  const message = `bundle of ${trustDomain}: found ${found}, expected ${expected}`
  throw new CertificateError('bundle_malformed', message, { value: trustDomain })
}
