import { CertificateError } from '../../errors.ts'
import { isKeyStore } from '../key-store/is-key-store.ts'
import type { FilePlan } from './file-plan.ts'
import type { LoadableFiles, LoadContext, Loaded } from './load-material.ts'
import { readFiles, type ReadFiles } from './read-files.ts'

/** Makes material of files. */
export type LoadFiles<Material> = (
  plan: FilePlan,
  files: LoadableFiles,
  context: LoadContext<Material>,
) => Loaded<Material>

/** Loads the material of a plan again and again, and parses only what it has not parsed already. */
export class MaterialLoader<Material> {
  readonly #plan: FilePlan
  readonly #load: LoadFiles<Material>
  #last: Parsed<Material> | undefined
  #lastGood: Material | undefined

  constructor(plan: FilePlan, load: LoadFiles<Material>) {
    this.#plan = plan
    this.#load = load
  }

  /**
   * Reads the files; gives the same object, or throws the same error, while their content is the same.
   *
   * @throws {SourceError} for a file that cannot be read, as `readFiles`
   * @throws {CertificateError} for what is in them
   */
  async load(): Promise<Loaded<Material>> {
    const files = await readFiles(this.#plan)
    const last = this.#last
    const parsed = last?.digest === files.digest && !dependsOnTime(last) ? last : this.#parse(await prepare(files))
    this.#last = parsed
    if (!parsed.ok) throw parsed.error
    this.#lastGood = parsed.loaded.material
    return parsed.loaded
  }

  #parse(files: LoadableFiles): Parsed<Material> {
    const { digest } = files
    try {
      const context = { now: Date.now(), last: this.#lastGood }
      return { ok: true, digest, loaded: this.#load(this.#plan, files, context) }
    } catch (error) {
      return { ok: false, digest, error }
    }
  }
}

async function prepare(files: ReadFiles): Promise<LoadableFiles> {
  if (![...files.bytes.values()].some(isKeyStore)) return { ...files, decodeKeyStore: refuseKeyStores }
  const { decodeKeyStore } = await import('../key-store/key-store.ts')
  return { ...files, decodeKeyStore }
}

function refuseKeyStores(): never {
  throw new CertificateError('key_store_malformed', 'found no PKCS#12 store among the files, expected one')
}

/** What came of the files with this digest. */
type Parsed<Material> =
  | { readonly ok: true; readonly digest: string; readonly loaded: Loaded<Material> }
  | { readonly ok: false; readonly digest: string; readonly error: unknown }

/** A certificate that is not valid yet will be, and a clock that was wrong is set: the same bytes may be good later. */
function dependsOnTime(parsed: Parsed<unknown>): boolean {
  if (parsed.ok || !(parsed.error instanceof CertificateError)) return false
  return parsed.error.value === 'not_yet_valid' || parsed.error.value === 'expired'
}
