import { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError } from '../errors.ts'
import { createEmptyBundle, readBundle, type X509Bundle } from './bundle.ts'
import { toFault } from './bundle-fault.ts'

/** How bundles are read. */
export interface ReadBundlesOptions {
  /** Epoch milliseconds; authorities that have expired by then are left out. Default the clock's. */
  readonly now?: number
  /** The trust domain whose bundle is read first: our own, so that the limits on all bundles together never affect it. */
  readonly own?: string | undefined
  /**
   * Whether no bytes at all mean that everything is revoked, as the Workload API has it (§4.4). Default false: an empty
   * file is an accident, and the bundle cannot be read.
   */
  readonly emptyRevokes?: boolean
}

/**
 * Reads the bundles of many trust domains again and again, each by itself: one that cannot be read or is too large holds
 * no authority and says so in its `faults`, and all others are as they would be without it. A certificate that comes
 * again is not decoded again.
 */
export class BundleReader {
  readonly #cache = new CertificateCache()

  /**
   * Reads bundles by trust domain: PEM, concatenated DER or a SPIFFE bundle document. Never throws for what is in them.
   *
   * @param encoded by the bare name of the trust domain
   */
  read(
    encoded: ReadonlyMap<string, string | Uint8Array>,
    { now = Date.now(), own, emptyRevokes = false }: ReadBundlesOptions = {},
  ): ReadonlyMap<string, X509Bundle> {
    this.#cache.beginRound()
    const context = { now, cache: this.#cache }
    const bundles = new Map<string, X509Bundle>()
    // The largest last: where all together are too large, those are refused that make them so.
    const rank = ([name, input]: readonly [string, string | Uint8Array]): number => (name === own ? -1 : input.length)
    for (const [name, input] of [...encoded].toSorted((one, other) => rank(one) - rank(other))) {
      const isRevoked = emptyRevokes && input.length === 0
      bundles.set(
        name,
        isRevoked ? createEmptyBundle(name) : readTolerantly(name, () => readBundle(name, input, context)),
      )
    }
    return new Map(
      [...encoded.keys()].flatMap((name) => [[name, bundles.get(name) ?? createEmptyBundle(name)] as const]),
    )
  }
}

/** The bundle that `read` returns, or one that proves nobody and says what was wrong. */
export function readTolerantly(name: string, read: () => X509Bundle): X509Bundle {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return createEmptyBundle(name, [toFault(name, error)])
  }
}
