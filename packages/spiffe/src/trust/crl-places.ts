import type { Crl } from '../certificate/crl.ts'
import { CertificateError } from '../errors.ts'
import type { BundleFault } from './bundle-fault.ts'
import type { PublishedCrl } from './published-crl.ts'

/** The most lists of one trust domain, and the most bytes that they have. */
const mostOfOne = { lists: 64, bytes: 4 * 1024 * 1024 }

/** The most lists that are decoded although no authority signed them, of all trust domains together. */
const mostOfNobody = { lists: 64, bytes: 2 * 1024 * 1024 }

/** Lists that were decoded, what is wrong with others, and those that were not looked at. */
export interface PlacedCrls {
  readonly crls: readonly Crl[]
  readonly faults: readonly BundleFault[]
  readonly leftOut: readonly PublishedCrl[]
}

/** Decodes the lists of one trust domain, or none of them if there are too many. */
export function* placeOwned(trustDomain: string, lists: readonly PublishedCrl[]): Generator<void, PlacedCrls> {
  const excess = describeExcess(lists, mostOfOne)
  // To leave one of them out would let pass whom it revokes.
  if (excess !== undefined) return { crls: [], faults: [toFault(trustDomain, excess)], leftOut: [] }
  const crls: Crl[] = []
  const faults: BundleFault[] = []
  for (const list of lists) {
    const content = yield* list.read()
    if (content instanceof CertificateError) faults.push(toFault(trustDomain, content))
    else crls.push(content)
    yield
  }
  return { crls, faults, leftOut: [] }
}

/**
 * Decodes lists that no authority signed, up to a limit. Every issuer has its turn, so that many lists of one of them
 * leave out few of the others.
 *
 * @param isOwned whether a list is of a trust domain, too, whose fault it is if it cannot be read
 */
export function* placeUnowned(
  lists: readonly PublishedCrl[],
  isOwned: (list: PublishedCrl) => boolean,
): Generator<void, PlacedCrls> {
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
  for (const list of chosen) {
    const content = yield* list.read()
    if (!(content instanceof CertificateError)) crls.push(content)
    else if (!isOwned(list)) faults.push(toFault(undefined, content))
    yield
  }
  return { crls, faults, leftOut: lists.filter((list) => !chosen.has(list)) }
}

/** The first list of every issuer, then the second of every issuer, and so on. */
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
