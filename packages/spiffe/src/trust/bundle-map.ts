import { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError } from '../errors.ts'
import { checkContent } from '../options.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { createBundle, refuseUseless, type X509Bundle } from './bundle.ts'
import { attempt, toBundle } from './read-bundles.ts'
import { cutJson } from './cut-json.ts'
import { decodeJsonText, isJsonObject, type JsonValue, parseStrictJson } from './strict-json.ts'

/**
 * Reads a SPIFFE bundle map, which holds the bundles of several trust domains in one JSON text. Accepts the text or its
 * UTF-8 bytes. Returns the bundles by trust domain name. An empty map is valid. The refresh hint of a bundle does not
 * apply to the map.
 *
 * Each bundle is read separately, including its JSON. A bundle that cannot be read has no authorities and reports the
 * reason in `faults`.
 *
 * @param now epoch milliseconds; authorities that have expired by then are left out. By default none are
 * @example createMaterial({ key, cert, bundles: Object.fromEntries(parseBundleMap(text)) })
 * @throws {CertificateError} `bundle_malformed` if the text is not a bundle map or contains a trust domain or any other
 * name twice; as `X509Bundle.parse` if no bundle is usable
 * @throws {SpiffeIdError} for an invalid trust domain name
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#5-spiffe-bundle-map
 */
export function parseBundleMap(input: string | Uint8Array, now?: number): ReadonlyMap<string, X509Bundle> {
  checkContent(input, where, 'JSON text or its bytes')
  const { skeleton, parts } = cutJson(decodeJsonText(input, where, maxMapBytes)) ?? refuseBrackets()
  const document = parseStrictJson(skeleton, where)
  const documents = isJsonObject(document) ? document.get('trust_domains') : undefined
  if (!isJsonObject(documents)) {
    throw new CertificateError(
      'bundle_malformed',
      "bundle map: found no object 'trust_domains', expected one with a bundle for each trust domain",
    )
  }
  const context = { now, cache: new CertificateCache() }
  const bundles = new Map<string, X509Bundle>()
  for (const [key, value] of documents) {
    const name = parseTrustDomain(key)
    // `saas.example` and `spiffe://saas.example` are different JSON keys for the same trust domain.
    if (bundles.has(name)) {
      throw new CertificateError(
        'bundle_malformed',
        `bundle map: found ${name} twice, expected each trust domain once`,
        {
          value: name,
        },
      )
    }
    const part = typeof value === 'string' ? parts.get(value) : undefined
    const read = (): JsonValue => (part === undefined ? value : parseStrictJson(part, `bundle of ${name}`))
    const result = attempt(() => createBundle(name, read(), context))
    bundles.set(name, toBundle(name, result))
  }
  const places = new Set(documents.values())
  // Anything outside the bundles is a fault of the map itself.
  for (const [place, part] of parts) if (!places.has(place)) parseStrictJson(part, where)
  const all = [...bundles.values()]
  if (all.every(({ authorities, faults }) => authorities.length === 0 && faults.length > 0)) all.map(refuseUseless)
  return bundles
}

const where = 'bundle map'

/** Each bundle, and the text around the bundles, may have 1 MiB. */
const maxMapBytes = 8 * 1024 * 1024

function refuseBrackets(): never {
  throw new CertificateError('bundle_malformed', `${where}: found unbalanced brackets, expected JSON (RFC 8259)`)
}
