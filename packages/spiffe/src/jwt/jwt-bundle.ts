import { createHash } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import { ConfigurationError } from '../errors.ts'
import { describeValue, isOptions } from '../options.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { type BundleFault, toError, toFault } from '../trust/bundle-fault.ts'
import { parseStrictJson } from '../trust/strict-json.ts'
import { parseKeySet, type PublishedKeys } from './key-set.ts'
import type { JwtKey } from './jwt-key.ts'

// Set in the static block of the class, because the constructor and the keys are private.
let mint: (trustDomain: string, published: PublishedKeys) => JwtBundle
let listKeys: (bundle: JwtBundle) => readonly JwtKey[]

/**
 * The JWT authorities of one trust domain, together with its name (SPIFFE Trust Domain and Bundle §3). Immutable: a
 * changed bundle is a new object, and proofs made under the old one are verified again.
 */
export class JwtBundle {
  readonly trustDomain: string
  /** The `kid` of each usable authority. Without any, no token of this trust domain is accepted (§4.1.3). */
  readonly keyIds: readonly string[]
  /** Equal for bundles with the same usable authorities in the same order. */
  readonly fingerprint: string
  /** The authorities that were left out because they are unusable. */
  readonly faults: readonly BundleFault[]
  readonly #keys: readonly JwtKey[]

  private constructor(trustDomain: string, { keys, faults }: PublishedKeys) {
    this.trustDomain = trustDomain
    this.keyIds = Object.freeze(keys.map(({ id }) => id))
    this.fingerprint = fingerprintKeys(trustDomain, keys)
    this.faults = Object.freeze([...faults])
    this.#keys = keys
    Object.freeze(this)
  }

  /**
   * Reads the JWT authorities from a SPIFFE bundle document: JSON text, its UTF-8 bytes, or the parsed object. Uses only
   * keys whose `use` is `jwt-svid`, and ignores all others, as the standard requires. An object should come from
   * `JSON.parse`, which hides repeated names; pass the text if you have it.
   *
   * An unusable key (no `kid`, RSA below 2048 bits) is left out and reported in `faults`. A document may have no JWT
   * authorities: its publisher then revokes every JWT-SVID of the trust domain.
   *
   * @throws {SpiffeIdError} for an invalid trust domain name
   * @throws {ConfigurationError} `option_invalid` for an input that is neither text, bytes nor a plain object
   * @throws {CertificateError} `bundle_malformed`; `bundle_too_large` above 256 authorities or 1 MiB; the code of the
   * first fault if every authority had to be left out
   * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md#62-consuming-a-spiffe-bundle
   */
  static parse(trustDomain: string, jwks: string | object): JwtBundle {
    const name = parseTrustDomain(trustDomain)
    const bundle = readJwtBundle(name, toContent(name, jwks), ['jwt-svid'])
    const [fault] = bundle.faults
    if (bundle.keyIds.length === 0 && fault !== undefined) throw toError(name, fault)
    return bundle
  }

  /**
   * Reads a JWK set as the Workload API delivers it (SPIFFE Workload API §6.2.2). Accepts keys without `use`, because
   * SPIRE sends none, and ignores keys for any other use. Empty bytes mean that the trust domain has no authority (§4.4).
   *
   * @throws {SpiffeIdError} for an invalid trust domain name
   * @throws {CertificateError} as `parse`, except that a set in which every key is unusable is an empty bundle
   */
  static fromWorkloadApi(trustDomain: string, bytes: string | Uint8Array): JwtBundle {
    const name = parseTrustDomain(trustDomain)
    const content = toContent(name, bytes)
    return content.length === 0 ? createEmptyJwtBundle(name) : readJwtBundle(name, content, ['jwt-svid', undefined])
  }

  static {
    mint = (trustDomain, published): JwtBundle => new JwtBundle(trustDomain, published)
    listKeys = (bundle): readonly JwtKey[] => bundle.#keys
  }
}

/**
 * Reads a bundle, and also returns it if every key is unusable.
 *
 * @throws {CertificateError} `bundle_malformed` or `bundle_too_large`
 */
function readJwtBundle(
  name: string,
  content: string | Uint8Array,
  uses: readonly ('jwt-svid' | undefined)[],
): JwtBundle {
  return mint(name, parseKeySet(name, parseStrictJson(content, `bundle of ${name}`), uses))
}

/** Returns a bundle without authorities: revoked, or because of an error that it reports in `faults`. */
export function createEmptyJwtBundle(name: string, error?: Parameters<typeof toFault>[1]): JwtBundle {
  return mint(name, { keys: [], faults: error === undefined ? [] : [toFault(name, error)] })
}

/** Returns the usable keys of a bundle. For the verifier. */
export function keysOf(bundle: JwtBundle): readonly JwtKey[] {
  return listKeys(bundle)
}

function toContent(name: string, input: unknown): string | Uint8Array {
  if (typeof input === 'string' || isUint8Array(input)) return input
  const expected = 'a SPIFFE bundle document: JSON text, bytes or an object'
  if (!isOptions(input)) {
    throw new ConfigurationError(
      'option_invalid',
      `bundle of ${name}: found ${describeValue(input)}, expected ${expected}`,
    )
  }
  try {
    return JSON.stringify(input)
  } catch (cause) {
    const message = `bundle of ${name}: found an object that is not JSON, expected ${expected}`
    throw new ConfigurationError('option_invalid', message, { cause })
  }
}

function fingerprintKeys(trustDomain: string, keys: readonly JwtKey[]): string {
  const hash = createHash('sha256').update(`${trustDomain}\n`)
  for (const { id, algorithm = '', publicKey } of keys) {
    const der = publicKey.export({ type: 'spki', format: 'der' })
    hash.update(`${JSON.stringify(id)} ${algorithm} ${der.length}\n`).update(der)
  }
  return hash.digest('hex')
}
