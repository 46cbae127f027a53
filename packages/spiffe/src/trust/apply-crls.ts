import { isUint8Array } from 'node:util/types'
import { ConfigurationError } from '../errors.ts'
import { checkListOf, describeValue } from '../options.ts'
import type { X509Bundle } from './bundle.ts'
import { CrlReader } from './crl-reader.ts'

/**
 * Assigns certificate revocation lists that arrived separately from bundles, and returns the bundles with their lists.
 * A list signed by an authority is assigned to the bundles that contain this authority. Every certificate of these
 * bundles then needs a list (`requiresCrl`), unless every list had expired.
 *
 * Any other list may belong to an intermediate, which is unknown until a peer presents it. Such a list is assigned to
 * every bundle and applies only to the certificates of its signer. So does the list of an authority in the other bundles: it
 * may be an intermediate of another trust domain.
 *
 * A list that cannot be read denies the certificates of its signer. It becomes a fault of the trust domain whose
 * authority signed it, and that trust domain then needs a current list. If the signer is unknown, the fault belongs to
 * no particular trust domain. The same applies to all lists of a trust domain that has more than 64 lists or more than 4 MiB of them. Never throws
 * because of a list.
 *
 * Only a signature assigns a list to a trust domain, never the name of its issuer. Of the lists that no authority
 * signed, at most 64 with 2 MiB in total are decoded. The others apply only to certificates of their issuers, and their
 * signatures are checked when a peer presents such a certificate.
 *
 * Add each trust domain that has supplied lists before to `demanded`: if it then has no lists, none of its callers is
 * authenticated. Also add trust domains whose intermediates are known to publish lists.
 *
 * @param crls one list in DER per entry
 * Expired lists that are older than another one of the same key are ignored: anyone can publish them again.
 *
 * @param demanded names of trust domains; those without a bundle are ignored
 * @param now epoch milliseconds; default the current time
 * @example
 * const bundles = applyCrls(received, crls, demanded)
 * for (const [trustDomain, { requiresCrl }] of bundles) if (requiresCrl) demanded.add(trustDomain)
 */
export function applyCrls(
  bundles: ReadonlyMap<string, X509Bundle>,
  crls: readonly Uint8Array[],
  demanded: ReadonlySet<string>,
  now: number = Date.now(),
): ReadonlyMap<string, X509Bundle> {
  checkArguments(bundles, crls, demanded)
  return new CrlReader().apply({ bundles, crls, demanded, now })
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
