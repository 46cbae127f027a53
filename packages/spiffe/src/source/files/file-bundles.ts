import { CertificateError, SourceError } from '../../errors.ts'
import type { X509Bundle } from '../../trust/bundle.ts'
import { BundleReader, toBundle } from '../../trust/read-bundles.ts'

/** A bundle that cannot be read. The last good one stays in use. */
export interface RefusedBundle {
  readonly trustDomain: string
  readonly error: CertificateError | SourceError
  /** Epoch milliseconds: when the bundle that stays in use was last read without an error. */
  readonly lastGoodAt: number
}

/** The bundles that the files of a plan contain. */
export interface ReadFileBundles {
  readonly bundles: ReadonlyMap<string, X509Bundle>
  readonly refusals: readonly RefusedBundle[]
  /** Marks these bundles as the last good ones. Call it once they are in use. */
  readonly commit: () => void
}

/** The bytes of each bundle file by trust domain, or the error if it cannot be read. */
export type FileContents = ReadonlyMap<string, Uint8Array | CertificateError | SourceError>

interface ReadFilesOptions {
  /** Our own trust domain, if it is known. */
  readonly own: string | undefined
  /** Adds the name of the file to an error about its content. */
  readonly explain: (trustDomain: string, error: CertificateError) => CertificateError
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * Reads the bundle files of a plan, for repeated loads, each trust domain separately. If a file cannot be read, its
 * last good bundle stays in use: the file may be half-written, and a missing file revokes nothing. Without a last good
 * bundle, the trust domain has no authorities.
 */
export class FileBundles {
  readonly #reader = new BundleReader()
  #good: ReadonlyMap<string, { readonly bundle: X509Bundle; readonly readAt: number }> = new Map()

  /** Does the decoding of the next `read` ahead of time, in short turns. */
  async prepare(contents: Iterable<Uint8Array>): Promise<void> {
    await this.#reader.prepare(contents)
  }

  /**
   * Returns the bundles that the files contain.
   *
   * @throws {CertificateError} {SourceError} for the bundle of our own trust domain, if there is no last good one
   */
  read(contents: FileContents, { own, explain, now }: ReadFilesOptions): ReadFileBundles {
    const encoded = new Map([...contents].flatMap(([name, content]) => (isError(content) ? [] : [[name, content]])))
    const read = this.#reader.readEach(encoded, { now, own })
    const bundles = new Map<string, X509Bundle>()
    const good = new Map<string, { readonly bundle: X509Bundle; readonly readAt: number }>()
    const refusals: RefusedBundle[] = []
    for (const [name, content] of contents) {
      const found = isError(content) ? content : read.get(name)
      const result = found instanceof CertificateError && found !== content ? explain(name, found) : found
      const last = this.#good.get(name)
      if (result !== undefined && !isError(result)) {
        bundles.set(name, result)
        good.set(name, { bundle: result, readAt: now })
      } else if (result !== undefined && last !== undefined) {
        bundles.set(name, last.bundle)
        good.set(name, last)
        refusals.push({ trustDomain: name, error: result, lastGoodAt: last.readAt })
      } else if (result !== undefined) {
        if (name === own) throw result
        bundles.set(name, toBundle(name, result))
      }
    }
    return { bundles, refusals, commit: () => (this.#good = good) }
  }

  /** Records that the files had the same content at `now` as when they were read. */
  confirm(refusals: readonly RefusedBundle[], now: number): void {
    const refused = new Set(refusals.map(({ trustDomain }) => trustDomain))
    const entries = [...this.#good].map(([name, { bundle, readAt }]) => {
      return [name, { bundle, readAt: refused.has(name) ? readAt : now }] as const
    })
    this.#good = new Map(entries)
  }
}

function isError(value: unknown): value is CertificateError | SourceError {
  return value instanceof CertificateError || value instanceof SourceError
}
