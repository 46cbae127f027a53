import { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError, type SourceError } from '../errors.ts'
import { createEmptyBundle, readBundle, type X509Bundle } from './bundle.ts'
import { toFault } from './bundle-fault.ts'
import { decodeInTurns } from './decode-in-turns.ts'
import { PublishedBundles } from './published-bundles.ts'

/** Options for reading bundles. */
export interface ReadBundlesOptions {
  /** Epoch milliseconds; authorities that have expired by then are left out. Default: the current time. */
  readonly now?: number
  /** Our own trust domain. Its bundle is read first, so that the limits on all bundles together never affect it. */
  readonly own?: string | undefined
  /**
   * Whether an empty bundle revokes everything, as the Workload API defines (§4.4). Default false: an empty file is a
   * mistake, and the bundle cannot be read.
   */
  readonly emptyRevokes?: boolean
}

/**
 * Reads the bundles of several trust domains, for repeated updates. Each is read separately: one that cannot be read or
 * is too large has no authorities and reports the reason in `faults`, and does not affect the others. Bundles and
 * certificates that were seen before are not parsed again.
 */
export class BundleReader {
  readonly #cache = new CertificateCache()
  readonly #published = new PublishedBundles()

  /**
   * Reads bundles in PEM, concatenated DER or as SPIFFE bundle documents. Never throws because of their content.
   *
   * @param encoded bundles by bare trust domain name
   */
  read(
    encoded: ReadonlyMap<string, string | Uint8Array>,
    options: ReadBundlesOptions = {},
  ): ReadonlyMap<string, X509Bundle> {
    const results = this.readEach(encoded, options)
    return new Map([...results].map(([name, result]) => [name, toBundle(name, result)]))
  }

  /**
   * Does the decoding of the next `read` of these bundles ahead of time, in short turns. Returns undefined if there is
   * little to decode.
   */
  prepare(bundles: Iterable<string | Uint8Array>): Promise<void> | undefined {
    return decodeInTurns(this.#cache, this.#published, bundles)
  }

  /** Reads bundles like `read`, but returns the error instead of a bundle that cannot be read or is too large. */
  readEach(
    encoded: ReadonlyMap<string, string | Uint8Array>,
    { now = Date.now(), own, emptyRevokes = false }: ReadBundlesOptions = {},
  ): ReadonlyMap<string, X509Bundle | CertificateError> {
    this.#cache.beginRound()
    this.#published.beginRound()
    const context = { now, cache: this.#cache }
    // The largest last: if all bundles together exceed a limit, only the largest are rejected.
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

/** Returns the bundle, or an empty bundle that reports the error in `faults`. */
export function toBundle(name: string, result: X509Bundle | CertificateError | SourceError): X509Bundle {
  return result instanceof Error ? createEmptyBundle(name, [toFault(name, result)]) : result
}

/** Returns the bundle that `read` returns, or the `CertificateError` that it throws. */
export function attempt(read: () => X509Bundle): X509Bundle | CertificateError {
  try {
    return read()
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

// A placeholder for each result, so that the output has the order of the input.
const unread = new CertificateError('bundle_empty', 'found a bundle that has not been read')
