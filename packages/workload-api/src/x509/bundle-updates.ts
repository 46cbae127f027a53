import {
  type BundleFault,
  BundleReader,
  CountersignError,
  CrlReader,
  parseTrustDomain,
  type X509Bundle,
} from '@countersign/spiffe'

/** The bundles of a message, and the faults that do not belong to a single bundle. */
export interface ReadBundles {
  /** By trust domain name. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  readonly faults: readonly BundleFault[]
}

/** The encoded bundles of a message. */
interface EncodedBundles {
  /** Concatenated DER by the SPIFFE ID of the trust domain. */
  readonly encodedById: ReadonlyMap<string, Uint8Array>
  /** DER, one list each. */
  readonly crls: readonly Uint8Array[]
  /** Our own trust domain and its bundle, which replaces one in `encodedById`. */
  readonly own?: readonly [string, Uint8Array]
  /** Bundles that are not returned, but are needed to find the owners of revocation lists. */
  readonly others: readonly (readonly [string, Uint8Array])[]
}

/** The bundles of a message that will be read next. */
interface PreparableBundles extends Pick<EncodedBundles, 'encodedById' | 'crls'> {
  /** The bundles of the SVIDs, by trust domain. */
  readonly own: ReadonlyMap<string, Uint8Array>
}

/**
 * Reads the bundles of one stream of messages, each trust domain separately. Once a trust domain has supplied a
 * revocation list, it needs a current one in every later message.
 */
export class BundleUpdates {
  readonly #reader = new BundleReader()
  readonly #crls = new CrlReader()
  readonly #demanded = new Set<string>()

  /** Does the work of the next `read` ahead of time, in short turns. Returns undefined if there is little to do. */
  prepare({ encodedById, crls, own }: PreparableBundles, now: number): Promise<void> | undefined {
    const encoded = new Map([...groupByTrustDomain(encodedById).encoded, ...own])
    const isDecoding = this.#reader.prepare(encoded.values())
    return this.#crls.isWorthPreparing(crls) ? this.#prepareCrls(isDecoding, encoded, { crls, own, now }) : isDecoding
  }

  /** Reads the bundles of the next message. Never throws because of their content. */
  read({ encodedById, crls, own, others }: EncodedBundles, now: number): ReadBundles {
    const { encoded, faults } = groupByTrustDomain(encodedById)
    if (own !== undefined) encoded.set(...own)
    const all = new Map([...others, ...encoded])
    const bundles = this.#reader.read(all, { now, own: own?.[0], emptyRevokes: true })
    const ours = new Set(own === undefined ? [] : [own[0]])
    const applied = this.#crls.apply({ bundles, crls, own: ours, demanded: this.#demanded, now })
    const wanted = [...applied].filter(([name]) => encoded.has(name))
    return { bundles: new Map(wanted), faults }
  }

  /** Records the trust domains that have supplied a revocation list. */
  recordDemands(bundles: Iterable<X509Bundle>): void {
    for (const { trustDomain, requiresCrl } of bundles) {
      if (requiresCrl) this.#demanded.add(trustDomain)
    }
  }

  // The bundles must be read first, because their authorities determine the signer of a list.
  async #prepareCrls(
    isDecoding: Promise<void> | undefined,
    encoded: ReadonlyMap<string, Uint8Array>,
    { crls, own, now }: Pick<PreparableBundles, 'crls' | 'own'> & { readonly now: number },
  ): Promise<void> {
    await isDecoding
    const ours = new Set(own.keys())
    const bundles = this.#reader.read(encoded, { now, own: [...ours][0], emptyRevokes: true })
    await this.#crls.prepare({ bundles, crls, own: ours, now })
  }
}

interface Grouped {
  readonly encoded: Map<string, Uint8Array>
  readonly faults: readonly BundleFault[]
}

/** Groups the bundles of a message by trust domain. An invalid or repeated name becomes a fault. */
export function groupByTrustDomain(encodedById: ReadonlyMap<string, Uint8Array>): Grouped {
  const encoded = new Map<string, Uint8Array>()
  const faults: BundleFault[] = []
  const fault = { origin: 'content', code: 'bundle_malformed' } as const
  for (const [id, bytes] of encodedById) {
    try {
      const trustDomain = parseTrustDomain(id)
      if (!encoded.has(trustDomain)) {
        encoded.set(trustDomain, bytes)
        continue
      }
      // Either of them could be the one that was withdrawn.
      encoded.set(trustDomain, empty)
      const detail = 'found two bundles of this trust domain in one message, expected one'
      faults.push({ ...fault, trustDomain, detail, kind: 'two_bundles' })
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      const detail = `found a bundle under '${id.slice(0, 80)}', which is not the name of a trust domain: ${error.message}`
      faults.push({ ...fault, trustDomain: undefined, detail, kind: 'trust_domain_name' })
    }
  }
  return { encoded, faults }
}

const empty = new Uint8Array()
