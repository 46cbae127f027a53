import { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError, type SourceError } from '../errors.ts'
import { createEmptyBundle, readBundle, type X509Bundle } from './bundle.ts'
import { toFault } from './bundle-fault.ts'
import { decodeInTurns } from './decode-in-turns.ts'
import { PublishedBundles } from './published-bundles.ts'

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
 * no authority and says so in its `faults`, and all others are as they would be without it. A bundle that
 * comes again is not parsed again, and a certificate that comes again is not decoded again.
 */
export class BundleReader {
  readonly #cache = new CertificateCache()
  readonly #published = new PublishedBundles()

  /**
   * Reads bundles by trust domain: PEM, concatenated DER or a SPIFFE bundle document. Never throws for what is in them.
   *
   * @param encoded by the bare name of the trust domain
   */
  read(
    encoded: ReadonlyMap<string, string | Uint8Array>,
    options: ReadBundlesOptions = {},
  ): ReadonlyMap<string, X509Bundle> {
    const results = this.readEach(encoded, options)
    return new Map([...results].map(([name, result]) => [name, toBundle(name, result)]))
  }

  /**
   * Decodes what the next `read` of these bundles would decode at once, in turns between which other work is done. Returns
   * undefined where there is little of it.
   */
  prepare(bundles: Iterable<string | Uint8Array>): Promise<void> | undefined {
    return decodeInTurns(this.#cache, this.#published, bundles)
  }

  /** The same, with the error in place of a bundle that cannot be read or is too large. */
  readEach(
    encoded: ReadonlyMap<string, string | Uint8Array>,
    { now = Date.now(), own, emptyRevokes = false }: ReadBundlesOptions = {},
  ): ReadonlyMap<string, X509Bundle | CertificateError> {
    this.#cache.beginRound()
    this.#published.beginRound()
    const context = { now, cache: this.#cache }
    // The largest last: where all together are too large, those are refused that make them so.
    const rank = ([name, input]: readonly [string, string | Uint8Array]): number => (name === own ? -1 : input.length)
    const results = new Map<string, X509Bundle | CertificateError>([...encoded.keys()].map((name) => [name, unread]))
    for (const [name, input] of [...encoded].toSorted((one, other) => rank(one) - rank(other))) {
      const isRevoked = emptyRevokes && input.length === 0
      const read = (): X509Bundle => readBundle(name, input, context, this.#published)
      results.set(name, isRevoked ? createEmptyBundle(name) : attempt(read))
    }
    return results
  }
}

/** The bundle, or in place of an error one that proves nobody and says what was wrong. */
export function toBundle(name: string, result: X509Bundle | CertificateError | SourceError): X509Bundle {
  return result instanceof Error ? createEmptyBundle(name, [toFault(name, result)]) : result
}

/** The bundle that `read` returns, or the error that it throws. */
export function attempt(read: () => X509Bundle): X509Bundle | CertificateError {
  try {
    return read()
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

// Takes the place of each result, so that the order is that of the input.
const unread = new CertificateError('bundle_empty', 'found a bundle that was not read')
