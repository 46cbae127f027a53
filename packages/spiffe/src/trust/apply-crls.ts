import { isUint8Array } from 'node:util/types'
import { ConfigurationError } from '../errors.ts'
import { checkListOf, describeValue } from '../options.ts'
import type { X509Bundle } from './bundle.ts'
import { CrlReader } from './crl-reader.ts'

/**
 * Puts certificate revocation lists that came apart from bundles where they belong, and returns the bundles with them. A
 * list of an authority goes to the bundles that hold this authority, which from then on need a list for every
 * certificate (`requiresCrl`). Any other can be the list of an intermediate, which shows only when a peer presents that
 * intermediate: it goes to every bundle and speaks for those certificates alone. So does the list of an authority that is
 * not self-signed, which may be the intermediate of another trust domain. If there is only one bundle, each list counts like
 * an authority's.
 *
 * A list that cannot be read is left out and becomes a fault of the trust domain whose authority signed it, which from
 * then on needs a current one; where that cannot be told, it is a fault of no trust domain in particular. The same holds
 * for all lists of a trust domain that has more than 64 of them or more than 4 MiB. Never throws for a list.
 *
 * Only a signature makes a list that of a trust domain, never the name of its issuer. Of the lists that no authority signed,
 * 64 with at most 2 MiB are read; the others bind only what their issuers issued, whose signatures are checked when a peer
 * presents those.
 *
 * A trust domain that has supplied lists before belongs into `demanded`: without any list now nobody of it is
 * authenticated. A caller that knows where the lists of intermediates come from names that trust domain there too.
 *
 * @param crls each one list in DER
 * @param demanded names of trust domains; those without a bundle are passed over
 * @example
 * const bundles = applyCrls(received, crls, demanded)
 * for (const [trustDomain, { requiresCrl }] of bundles) if (requiresCrl) demanded.add(trustDomain)
 */
export function applyCrls(
  bundles: ReadonlyMap<string, X509Bundle>,
  crls: readonly Uint8Array[],
  demanded: ReadonlySet<string>,
): ReadonlyMap<string, X509Bundle> {
  checkArguments(bundles, crls, demanded)
  return new CrlReader().apply({ bundles, crls, demanded })
}

function checkArguments(bundles: unknown, crls: unknown, demanded: unknown): void {
  const where = 'applyCrls'
  if (!(bundles instanceof Map)) refuse(where, bundles, 'a map of bundles by trust domain')
  checkListOf(crls, isUint8Array, where, 'a list of revocation lists, each as bytes')
  if (!(demanded instanceof Set)) refuse(where, demanded, 'a set of trust domains')
}

function refuse(where: string, found: unknown, expected: string): never {
  const message = `${where}: found ${describeValue(found)}, expected ${expected}`
  throw new ConfigurationError('option_invalid', message)
}
