import type { X509Bundle } from './bundle.ts'
import { withRevocationLists } from './bundle.ts'
import { CrlOwners, type CrlOwnership } from './crl-owners.ts'
import { type PlacedCrls, placeOwned, placeUnowned } from './crl-places.ts'
import { runAtOnce, runInTurns } from './in-turns.ts'
import { type PublishedCrl, PublishedCrls } from './published-crl.ts'
import { RevocationLists } from './revocation-lists.ts'

/** Revocation lists, and the bundles that they apply to. */
export interface CrlUpdate {
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** One list in DER per entry. */
  readonly crls: readonly Uint8Array[]
  /**
   * Our own trust domains. Their lists are always assigned, regardless of how many lists claim to be theirs. Default
   * none.
   */
  readonly own?: ReadonlySet<string>
  /** Names of trust domains that need lists; those without a bundle are ignored. Default none. */
  readonly demanded?: ReadonlySet<string>
}

/**
 * Assigns revocation lists like `applyCrls`, for repeated updates. A list that was seen before is not decoded or
 * verified again.
 */
export class CrlReader {
  readonly #lists = new PublishedCrls()

  /** Returns the bundles with their revocation lists. Never throws because of a list. */
  apply(update: CrlUpdate): ReadonlyMap<string, X509Bundle> {
    this.#lists.beginRound()
    const places = runAtOnce(this.#place(update))
    const { bundles, demanded = new Set() } = update
    return new Map([...bundles].map(([name, bundle]) => [name, join(bundle, places, demanded.has(name))]))
  }

  /** Returns true if an update is large enough to call `prepare` first. */
  hasMuchToDo(crls: Iterable<Uint8Array>): boolean {
    const { count, bytes } = this.#lists.measureNew(crls)
    return count >= fewLists || bytes >= fewBytes
  }

  /** Does the work of the next `apply` ahead of time, in short turns. */
  prepare(update: CrlUpdate): Promise<void> {
    return runInTurns(this.#place(update))
  }

  *#place({ bundles, crls, own = new Set() }: CrlUpdate): Generator<void, Places> {
    const owners = new CrlOwners(bundles, own)
    const published = yield* this.#lists.list(crls)
    const lists = new Map<string, PublishedCrl[]>([...bundles.keys()].map((name) => [name, []]))
    const ownerships = new Map<string, CrlOwnership>()
    const others: PublishedCrl[] = []
    for (const list of published) {
      const ownership = yield* owners.find(list)
      // With only one bundle, the owner of the list is certain.
      const isUndoubted = ownership.trustDomains.length === 0 && bundles.size === 1
      const names = isUndoubted ? [...bundles.keys()] : ownership.trustDomains
      ownerships.set(list.sha256, ownership)
      for (const name of names) lists.get(name)?.push(list)
      if (names.length === 0 || (!isUndoubted && !ownership.isExclusive)) others.push(list)
    }
    const owned = new Map<string, PlacedCrls>()
    for (const [name, ofOne] of lists) if (ofOne.length > 0) owned.set(name, yield* placeOwned(name, ofOne))
    const isOwned = ({ sha256 }: PublishedCrl): boolean => ownerships.get(sha256)?.trustDomains.length !== 0
    return { owned, ownerships, unowned: yield* placeUnowned(others, isOwned) }
  }
}

/** Below these limits, decoding takes less time than a handshake under load. */
const fewLists = 16
const fewBytes = 16 * 1024

interface Places {
  /** By trust domain. Contains each trust domain with at least one list, even an unreadable one. */
  readonly owned: ReadonlyMap<string, PlacedCrls>
  /** By the SHA-256 of the list. */
  readonly ownerships: ReadonlyMap<string, CrlOwnership>
  /** Lists that may belong to an intermediate. */
  readonly unowned: PlacedCrls
}

function join(bundle: X509Bundle, { owned, ownerships, unowned }: Places, isDemanded: boolean): X509Bundle {
  const { trustDomain } = bundle
  const own = owned.get(trustDomain)
  const isPossible = ({ sha256 }: { readonly sha256: string }): boolean =>
    ownerships.get(sha256)?.trustDomains.includes(trustDomain) !== true
  const isRequired = own !== undefined || isDemanded || bundle.requiresCrl
  const faults = [...(own?.faults ?? []), ...unowned.faults]
  const crls = [...(own?.crls ?? []), ...unowned.crls.filter(isPossible)]
  const leftOut = unowned.leftOut.filter(isPossible)
  if (!isRequired && crls.length === 0 && faults.length === 0) return bundle
  return withRevocationLists(bundle, new RevocationLists(crls, isRequired, { faults, leftOut }))
}
