import { CertificateError } from '../errors.ts'
import { describeValue } from '../options.ts'
import { type BundleFault, toFault } from '../trust/bundle-fault.ts'
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../trust/strict-json.ts'
import { createJwtKey, type JwtKey } from './jwt-key.ts'

/** The usable JWT authorities of a JWK set, and the faults of the others. */
export interface PublishedKeys {
  readonly keys: readonly JwtKey[]
  readonly faults: readonly BundleFault[]
}

/** The maximum number of JWT authorities in a bundle. Each is imported when the bundle is read. */
const maxAuthorities = 256

/**
 * Reads the JWT authorities of a JWK set (RFC 7517 §5). Entries with another `use` or of an unsuitable type are ignored
 * (SPIFFE Trust Domain and Bundle §4.2): symmetric keys and Edwards curves have no algorithm in JWT-SVID §2.1.
 *
 * @param uses the accepted values of `use`, compared byte for byte (§4.2.2); undefined accepts its absence
 * @throws {CertificateError} `bundle_malformed` if the structure is not a JWK set, `bundle_too_large`
 */
export function parseKeySet(
  trustDomain: string,
  value: JsonValue,
  uses: readonly (JsonValue | undefined)[],
): PublishedKeys {
  const where = `bundle of ${trustDomain}`
  const entries = listEntries(where, value).filter(
    ({ jwk }) => (jwk.get('kty') === 'EC' || jwk.get('kty') === 'RSA') && uses.includes(jwk.get('use')),
  )
  if (entries.length > maxAuthorities) {
    const message = `${where}: found ${entries.length} JWT authorities, expected at most ${maxAuthorities}`
    throw new CertificateError('bundle_too_large', message, { value: trustDomain })
  }
  const keys: JwtKey[] = []
  const faults: BundleFault[] = []
  for (const { place, jwk } of entries) {
    try {
      keys.push(createJwtKey(jwk))
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error
      const fault = toFault(trustDomain, error)
      faults.push({ ...fault, detail: `${place}: ${fault.detail}` })
    }
  }
  return { keys, faults }
}

interface Entry {
  /** For messages. */
  readonly place: string
  readonly jwk: JsonObject
}

function listEntries(where: string, value: JsonValue): readonly Entry[] {
  if (!isJsonObject(value)) return refuse(where, describe(value), "an object with 'keys'")
  const keys = value.get('keys')
  if (!isJsonArray(keys)) {
    const found = keys === undefined ? "no 'keys'" : `${describe(keys)} as 'keys'`
    return refuse(where, found, 'an array of keys, empty when everything is revoked')
  }
  return keys.map((jwk, index) => {
    const place = `keys[${index}]`
    return isJsonObject(jwk)
      ? { place, jwk }
      : refuse(where, `${describe(jwk)} as ${place}`, 'a JWK, which is an object')
  })
}

function describe(value: JsonValue): string {
  return typeof value === 'bigint' ? 'a number' : describeValue(value)
}

function refuse(where: string, found: string, expected: string): never {
  throw new CertificateError('bundle_malformed', `${where}: found ${found}, expected ${expected}`)
}
