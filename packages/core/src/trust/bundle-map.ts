import { CertificateError } from '../errors.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { createBundle, type X509Bundle } from './bundle.ts'
import { isJsonObject, parseStrictJson } from './strict-json.ts'

/**
 * Reads a SPIFFE bundle map, the bundles of many trust domains in one JSON text (or its UTF-8 bytes), by the name of
 * each trust domain. An empty map is valid. A refresh hint in a bundle says nothing about when to load the map again.
 *
 * @example createMaterial({ key, cert, bundles: Object.fromEntries(parseBundleMap(text)) })
 * @throws {CertificateError} `bundle_malformed` for a text that is no bundle map or names a trust domain or anything
 * else twice; otherwise as `X509Bundle.parse`, for the first bundle that is refused
 * @throws {SpiffeIdError} for a bad trust domain name
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#5-spiffe-bundle-map
 */
export function parseBundleMap(input: string | Uint8Array): ReadonlyMap<string, X509Bundle> {
  const document = parseStrictJson(input, 'bundle map')
  const documents = isJsonObject(document) ? document.get('trust_domains') : undefined
  if (!isJsonObject(documents)) {
    throw new CertificateError(
      'bundle_malformed',
      "bundle map: found no object 'trust_domains', expected one with a bundle for each trust domain",
    )
  }
  const bundles = new Map<string, X509Bundle>()
  for (const [key, value] of documents) {
    const name = parseTrustDomain(key)
    // `saas.example` and `spiffe://saas.example` are two keys of JSON and one trust domain.
    if (bundles.has(name)) {
      throw new CertificateError(
        'bundle_malformed',
        `bundle map: found ${name} twice, expected each trust domain once`,
        {
          value: name,
        },
      )
    }
    bundles.set(name, createBundle(name, value))
  }
  return bundles
}
