import { CertificateError } from '../errors.ts'
import type { RefusedBundle } from '../source/files/file-bundles.ts'
import { type FileSet, readFiles } from '../source/files/read-files.ts'
import { createEmptyJwtBundle, JwtBundle } from './jwt-bundle.ts'
import type { JwtBundles } from './jwt-bundle-source.ts'

/** The bundles that the files contain, and those whose file cannot be read. */
export interface LoadedJwtBundles {
  readonly bundles: JwtBundles
  readonly refusals: readonly RefusedBundle[]
}

/** Loads the bundles of the files repeatedly. Keeps the last good one of each trust domain. */
export class JwtBundleLoader {
  readonly #set: FileSet
  readonly #good = new Map<string, { readonly bundle: JwtBundle; readonly readAt: number }>()

  constructor(set: FileSet) {
    this.#set = set
  }

  /**
   * Reads the files at `now`, in epoch milliseconds.
   *
   * @throws {SourceError} `files_unstable` if they change faster than they can be read
   */
  async load(now: number): Promise<LoadedJwtBundles> {
    const { bytes, trust, failures } = await readFiles(this.#set)
    const bundles = new Map<string, JwtBundle>()
    const refusals: RefusedBundle[] = []
    for (const [name, { path }] of trust.kind === 'bundles' ? trust.files : []) {
      const read = failures.get(name) ?? readBundle(name, path, bytes.get(path) ?? new Uint8Array())
      const last = this.#good.get(name)
      if (read instanceof JwtBundle) {
        this.#good.set(name, { bundle: read, readAt: now })
        bundles.set(name, read)
      } else if (last === undefined) {
        bundles.set(name, createEmptyJwtBundle(name, read))
      } else {
        bundles.set(name, last.bundle)
        refusals.push({ trustDomain: name, error: read, lastGoodAt: last.readAt })
      }
    }
    return { bundles, refusals }
  }
}

function readBundle(name: string, path: string, content: Uint8Array): JwtBundle | CertificateError {
  try {
    return JwtBundle.parse(name, content)
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    const found = cause.message.replace(`bundle of ${name}: `, '')
    return new CertificateError(cause.code, `bundles[${name}] '${path}': ${found}`, { value: path, cause })
  }
}
