import type { Crl } from '../certificate/crl.ts'
import { CertificateError } from '../errors.ts'
import type { BundleFault } from './bundle-fault.ts'
import type { PublishedCrl } from './published-crl.ts'
import { isExpired } from './superseded-crls.ts'

/** The maximum number of lists of one trust domain, and their maximum total size in bytes. */
const mostOfOne = { lists: 64, bytes: 4 * 1024 * 1024 }

/**
 * The maximum number and total size of lists that are decoded without an authority's signature, for all trust domains
 * together.
 */
const mostOfNobody = { lists: 64, bytes: 2 * 1024 * 1024 }

/** The decoded lists, the faults of others, and the lists that cannot be read or were not decoded. */
export interface PlacedCrls {
  readonly crls: readonly Crl[]
  readonly faults: readonly BundleFault[]
  readonly leftOut: readonly PublishedCrl[]
}

/** The lists of one trust domain. */
export interface OwnedCrls extends PlacedCrls {
  readonly published: ReadonlySet<PublishedCrl>
  /**
   * Whether they show that the trust domain has revocation lists in use. An expired list does not, because any
   * publisher can publish old lists again.
   */
  readonly isDemand: boolean
}

/**
 * Decodes the lists of one trust domain, or none of them if there are too many.
 *
 * @param lists without superseded ones
 */
export function* placeOwned(
  trustDomain: string,
  lists: readonly PublishedCrl[],
  now: number,
): Generator<void, OwnedCrls> {
  const published = new Set(lists)
  const excess = describeExcess(lists, mostOfOne)
  // Leaving only some lists out would accept the certificates that they revoke.
  if (excess !== undefined) {
    return { crls: [], faults: [toFault(trustDomain, excess)], leftOut: [], published, isDemand: true }
  }
  const isDemand = lists.some(({ origin = {} }) => !isExpired(origin, now))
  const crls: Crl[] = []
  const faults: BundleFault[] = []
  const leftOut: PublishedCrl[] = []
  for (const list of lists) {
    const content = yield* list.read()
    if (content instanceof CertificateError) {
      faults.push(toFault(trustDomain, content))
      leftOut.push(list)
    } else crls.push(content)
    yield
  }
  return { crls, faults, leftOut, published, isDemand }
}

/**
 * Decodes lists that no authority signed, up to a limit. Takes one list of each issuer in turn, so that one issuer with
 * many lists displaces few lists of others.
 */
export function* placeUnowned(lists: readonly PublishedCrl[]): Generator<void, PlacedCrls> {
  const excess = describeExcess(lists, mostOfNobody)
  const chosen = new Set<PublishedCrl>()
  let bytes = 0
  for (const list of excess === undefined ? lists : takeTurns(lists)) {
    if (chosen.size === mostOfNobody.lists) break
    if (bytes + list.der.length > mostOfNobody.bytes) continue
    bytes += list.der.length
    chosen.add(list)
  }
  const crls: Crl[] = []
  const faults: BundleFault[] = excess === undefined ? [] : [toFault(undefined, excess)]
  const leftOut = lists.filter((list) => !chosen.has(list))
  for (const list of chosen) {
    const content = yield* list.read()
    if (content instanceof CertificateError) {
      faults.push(toFault(undefined, content))
      leftOut.push(list)
    } else crls.push(content)
    yield
  }
  return { crls, faults, leftOut }
}

/** Returns the first list of every issuer, then the second list of every issuer, and so on. */
function takeTurns(lists: readonly PublishedCrl[]): readonly PublishedCrl[] {
  const counts = new Map<string, number>()
  return lists
    .map((list) => {
      const turn = counts.get(list.issuer) ?? 0
      counts.set(list.issuer, turn + 1)
      return { list, turn }
    })
    .toSorted((one, other) => one.turn - other.turn)
    .map(({ list }) => list)
}

function describeExcess(lists: readonly PublishedCrl[], most: typeof mostOfOne): CertificateError | undefined {
  const bytes = lists.reduce((sum, { der }) => sum + der.length, 0)
  if (lists.length <= most.lists && bytes <= most.bytes) return undefined
  const found = `found ${lists.length} revocation lists of ${bytes} bytes`
  const expected = `expected at most ${most.lists} of ${most.bytes} bytes`
  return new CertificateError('bundle_too_large', `${found}, ${expected}`)
}

function toFault(trustDomain: string | undefined, { code, message }: CertificateError): BundleFault {
  return { origin: 'content', trustDomain, code, detail: message, kind: code }
}
