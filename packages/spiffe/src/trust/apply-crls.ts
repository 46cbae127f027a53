import { hash } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import { type Crl, decodeCrl, readCrlOrigin } from '../certificate/crl.ts'
import { CertificateError, ConfigurationError } from '../errors.ts'
import { checkListOf, describeValue } from '../options.ts'
import { withRevocationLists, type X509Bundle } from './bundle.ts'
import type { BundleFault } from './bundle-fault.ts'
import { CrlOwners } from './crl-owners.ts'
import { RevocationLists } from './revocation-lists.ts'

/** The most lists that are decoded, of all trust domains together. Of the others only the issuer is read. */
const maxCrls = 1024

/** The most lists of one trust domain; each that bears the name of an issuer can cost a signature check. */
const maxCrlsOfOne = 64

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
 * for the lists of a trust domain with more than 64 of them, and for those beyond 1,024 of all. Never throws for a list.
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
  const owners = new CrlOwners(bundles)
  const places = new Map([...bundles.keys()].map((name) => [name, new CrlPlace(name, maxCrlsOfOne)]))
  const shared = new CrlPlace(undefined, maxCrls)
  const distinct = new Map(crls.map((der) => [hash('sha256', der), der]))
  for (const [index, der] of [...distinct.values()].entries()) {
    const list = index < maxCrls ? readList(der) : tooMany(distinct.size, maxCrls)
    const origin = list instanceof CertificateError ? readCrlOrigin(der) : list
    const { trustDomains, isExclusive } = owners.find(origin, index < maxCrls)
    // If there is only one bundle, there is no doubt whose list it is.
    const names = trustDomains.length === 0 && bundles.size === 1 ? [...bundles.keys()] : trustDomains
    for (const name of names) places.get(name)?.add(list)
    if (names.length === 0 || (!isExclusive && !(list instanceof CertificateError))) shared.add(list)
  }
  const entries = [...bundles].map(([name, bundle]): readonly [string, X509Bundle] => {
    const own = places.get(name)?.close()
    return [name, own === undefined ? bundle : join(bundle, own, shared.close(), demanded.has(name))]
  })
  return new Map(entries)
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

function readList(der: Uint8Array): Crl | CertificateError {
  try {
    return decodeCrl(der)
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

function join(bundle: X509Bundle, own: Placed, shared: Placed, isDemanded: boolean): X509Bundle {
  const isRequired = own.isSupplied || isDemanded || bundle.requiresCrl
  const faults = [...own.faults, ...shared.faults]
  const crls = [...own.crls, ...shared.crls]
  if (!isRequired && crls.length === 0 && faults.length === 0) return bundle
  // A list of an intermediate that was left out may have been anybody's.
  const demand = isRequired ? 'all' : shared.isCut ? 'below_intermediates' : 'none'
  return withRevocationLists(bundle, new RevocationLists(crls, demand, faults))
}

/** The lists of one trust domain, or those that are of no authority. */
interface Placed {
  readonly crls: readonly Crl[]
  readonly faults: readonly BundleFault[]
  /** Whether there was any list, a bad one included. */
  readonly isSupplied: boolean
  /** Whether lists were left out because there are too many. */
  readonly isCut: boolean
}

class CrlPlace {
  readonly #trustDomain: string | undefined
  readonly #most: number
  readonly #crls: Crl[] = []
  readonly #errors: CertificateError[] = []

  constructor(trustDomain: string | undefined, most: number) {
    this.#trustDomain = trustDomain
    this.#most = most
  }

  add(list: Crl | CertificateError): void {
    if (list instanceof CertificateError) this.#errors.push(list)
    else this.#crls.push(list)
  }

  close(): Placed {
    const isFull = this.#crls.length > this.#most
    const errors = isFull ? [...this.#errors, tooMany(this.#crls.length, this.#most)] : this.#errors
    const trustDomain = this.#trustDomain
    return {
      // To leave one of them out would let pass whom it revokes.
      crls: isFull ? [] : this.#crls,
      faults: errors.map(({ code, message }) => ({
        origin: 'content',
        trustDomain,
        code,
        detail: message,
        kind: code,
      })),
      isSupplied: this.#crls.length + this.#errors.length > 0,
      isCut: errors.some(({ code }) => code === 'bundle_too_large'),
    }
  }
}

function tooMany(found: number, most: number): CertificateError {
  return new CertificateError('bundle_too_large', `found ${found} revocation lists, expected at most ${most}`)
}
