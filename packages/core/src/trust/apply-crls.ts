import { type Crl, decodeCrl } from '../certificate/crl.ts'
import { verifyCrlSignature } from '../certificate/verify-crl.ts'
import { CertificateError } from '../errors.ts'
import type { X509Bundle } from './bundle.ts'

/** The most lists that may come together; each that bears the name of an issuer can cost a signature check. */
const maxCrls = 64

/**
 * Puts certificate revocation lists that came apart from bundles where they belong, and gives the bundles with them. A
 * list of an authority goes to the bundles that hold this authority, which from then on need a list for every
 * certificate (`requiresCrl`). Any other can be the list of an intermediate, which shows only when a peer presents that
 * intermediate: it goes to every bundle and speaks for those certificates alone. Where there is one bundle only, there
 * is no doubt whose it is, and it counts like an authority's.
 *
 * A trust domain that has supplied lists before belongs into `demanded`: without any list now nobody of it is
 * authenticated. A caller that knows where the lists of intermediates come from names that trust domain there too.
 *
 * @param crls each one list in DER
 * @param demanded names of trust domains; those without a bundle are passed over
 * @example
 * const bundles = applyCrls(received, crls, demanded)
 * for (const [trustDomain, { requiresCrl }] of bundles) if (requiresCrl) demanded.add(trustDomain)
 * @throws {CertificateError} `crl_malformed` or `crl_unsupported` for the first list that is refused,
 * `bundle_too_large` for more than 64 lists: to leave one out would let pass whom it revokes
 */
export function applyCrls(
  bundles: ReadonlyMap<string, X509Bundle>,
  crls: readonly Uint8Array[],
  demanded: ReadonlySet<string>,
): ReadonlyMap<string, X509Bundle> {
  if (crls.length > maxCrls) {
    throw new CertificateError('bundle_too_large', `found ${crls.length} revocation lists, expected at most ${maxCrls}`)
  }
  const all = crls.map(decodeCrl)
  const placed = [...bundles].map(([name, bundle]) => {
    return { name, bundle, own: all.filter((crl) => isOfAuthority(crl, bundle)) }
  })
  const rest = all.filter((crl) => placed.every(({ own }) => !own.includes(crl)))
  const entries = placed.map(({ name, bundle, own }): readonly [string, X509Bundle] => {
    const isRequired = own.length > 0 || demanded.has(name) || (rest.length > 0 && bundles.size === 1)
    const isUntouched = !isRequired && rest.length === 0
    return [name, isUntouched ? bundle : bundle.withRevocation([...own, ...rest], isRequired)]
  })
  return new Map(entries)
}

// Also without cRLSign: its trust domain did supply a list, and that nobody may heed it has to be noticed.
function isOfAuthority(crl: Crl, { authorities }: X509Bundle): boolean {
  return authorities.some((authority) => verifyCrlSignature(crl, authority) !== 'foreign')
}
