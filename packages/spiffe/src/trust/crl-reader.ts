import type { X509Bundle } from './bundle.ts'
import { withRevocationLists } from './bundle.ts'
import { CrlOwners } from './crl-owners.ts'
import { type OwnedCrls, type PlacedCrls, placeOwned, placeUnowned } from './crl-places.ts'
import { runAtOnce, runInTurns } from './in-turns.ts'
import { type PublishedCrl, PublishedCrls } from './published-crl.ts'
import { RevocationLists } from './revocation-lists.ts'
import { withoutSuperseded } from './superseded-crls.ts'

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
  /** Epoch milliseconds. Default the current time. */
  readonly now?: number
}

/**
 * Assigns revocation lists like `applyCrls`, for repeated updates. A list from an earlier update is not decoded or
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
  isWorthPreparing(crls: Iterable<Uint8Array>): boolean {
    const { count, bytes } = this.#lists.measureNew(crls)
    return count >= fewLists || bytes >= fewBytes
  }

  /** Does the work of the next `apply` ahead of time, in short turns. */
  prepare(update: CrlUpdate): Promise<void> {
    return runInTurns(this.#place(update))
  }

  *#place({ bundles, crls, own = new Set(), now = Date.now() }: CrlUpdate): Generator<void, Places> {
    const owners = new CrlOwners(bundles, own)
    const published = yield* this.#lists.list(crls)
    const lists = new Map<string, Map<string, PublishedCrl[]>>([...bundles.keys()].map((name) => [name, new Map()]))
    const others: PublishedCrl[] = []
    for (const list of published) {
      const signers = yield* owners.find(list)
      for (const [name, { keyInfo }] of signers) {
        const key = keyInfo.der.toString('base64')
        const byKey = lists.get(name)
        const ofKey = byKey?.get(key)
        if (ofKey === undefined) byKey?.set(key, [list])
        else ofKey.push(list)
      }
      if (signers.size === 0) others.push(list)
    }
    const owned = new Map<string, OwnedCrls>()
    for (const [name, byKey] of lists) {
      const ofOne = [...byKey.values()].flatMap((ofKey) => withoutSuperseded(ofKey, now))
      if (ofOne.length > 0) owned.set(name, yield* placeOwned(name, ofOne, now))
    }
    const allOwned = [...new Set([...owned.values()].flatMap((ofOne) => [...ofOne.published]))]
    return { owned, allOwned, unowned: yield* placeUnowned(others), now }
  }
}

/** Below these limits, decoding takes less time than a handshake under load. */
const fewLists = 16
const fewBytes = 16 * 1024

interface Places {
  /** By trust domain. Contains each trust domain with at least one list, even an unreadable one. */
  readonly owned: ReadonlyMap<string, OwnedCrls>
  /** The lists of all trust domains. */
  readonly allOwned: readonly PublishedCrl[]
  /** Lists that may belong to an intermediate. */
  readonly unowned: PlacedCrls
  readonly now: number
}

function join(bundle: X509Bundle, { owned, allOwned, unowned, now }: Places, isDemanded: boolean): X509Bundle {
  const own = owned.get(bundle.trustDomain)
  const isRequired = own?.isDemand === true || isDemanded || bundle.requiresCrl
  const faults = [...(own?.faults ?? []), ...unowned.faults]
  const crls = [...(own?.crls ?? []), ...unowned.crls]
  // Our intermediate can be an authority of another trust domain, for example after its key was cross-signed.
  const ofOthers = allOwned.filter((list) => own?.published.has(list) !== true)
  const leftOut = [...(own?.leftOut ?? []), ...unowned.leftOut, ...ofOthers]
  if (!isRequired && crls.length + leftOut.length === 0 && faults.length === 0) return bundle
  const others = { faults, leftOut, now }
  return withRevocationLists(bundle, new RevocationLists(crls, isRequired, others))
}
