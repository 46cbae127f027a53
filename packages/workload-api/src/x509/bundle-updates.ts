import {
  applyCrls,
  type BundleFault,
  BundleReader,
  CountersignError,
  parseTrustDomain,
  type X509Bundle,
} from '@countersign/spiffe'

/** The bundles of a message, and what is wrong with it besides their own faults. */
export interface ReadBundles {
  /** By the name of the trust domain. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  readonly faults: readonly BundleFault[]
}

/** The bundles of a message as they come. */
interface EncodedBundles {
  /** Concatenated DER by the SPIFFE ID of the trust domain. */
  readonly encodedById: ReadonlyMap<string, Uint8Array>
  /** DER, one list each. */
  readonly crls: readonly Uint8Array[]
  /** Our own trust domain and its bundle, which stands in place of one in `encodedById`. */
  readonly own?: readonly [string, Uint8Array]
  /** Bundles that are not asked for; they show whose the revocation lists are. */
  readonly others: readonly (readonly [string, Uint8Array])[]
}

/**
 * Reads the bundles of one stream of messages, each trust domain by itself. Once a trust domain has supplied a revocation
 * list, it needs a current one in every later message.
 */
export class BundleUpdates {
  readonly #reader = new BundleReader()
  readonly #demanded = new Set<string>()

  /** Decodes in turns what `read` would decode at once; undefined where there is little of it. */
  prepare(bundles: Iterable<Uint8Array>): Promise<void> | undefined {
    return this.#reader.prepare(bundles)
  }

  /** Reads the bundles of the next message. Never throws for what is in them. */
  read({ encodedById, crls, own, others }: EncodedBundles, now: number): ReadBundles {
    const { encoded, faults } = groupByTrustDomain(encodedById)
    if (own !== undefined) encoded.set(...own)
    const all = new Map([...others, ...encoded])
    const bundles = this.#reader.read(all, { now, own: own?.[0], emptyRevokes: true })
    const applied = applyCrls(bundles, crls, this.#demanded)
    const wanted = [...applied].filter(([name]) => encoded.has(name))
    return { bundles: new Map(wanted), faults }
  }

  /** Notes the trust domains that have supplied a revocation list. */
  noteDemands(bundles: Iterable<X509Bundle>): void {
    for (const { trustDomain, requiresCrl } of bundles) {
      if (requiresCrl) this.#demanded.add(trustDomain)
    }
  }
}

interface Grouped {
  readonly encoded: Map<string, Uint8Array>
  readonly faults: readonly BundleFault[]
}

/** Puts the bundles of a message in order; a name that is none, or is there twice, becomes a fault. */
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
