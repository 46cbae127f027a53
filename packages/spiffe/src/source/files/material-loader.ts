import { CertificateCache } from '../../certificate/certificate-cache.ts'
import { CertificateError } from '../../errors.ts'
import { decodeInTurns } from '../../trust/decode-in-turns.ts'
import { PublishedBundles } from '../../trust/published-bundles.ts'
import { isKeyStore } from '../key-store/is-key-store.ts'
import { KeyStoreCache } from '../key-store/key-store-cache.ts'
import { FileBundles } from './file-bundles.ts'
import type { FilePlan } from './file-plan.ts'
import { listAuthorities, type LoadableFiles, type LoadContext, type Loaded } from './load-material.ts'
import { readFiles, type ReadFiles } from './read-files.ts'

/** Creates material from files. */
export type LoadFiles<Material> = (plan: FilePlan, files: LoadableFiles, context: LoadContext) => Loaded<Material>

/** Loads the material of a plan repeatedly, and parses only what has changed. */
export class MaterialLoader<Material> {
  readonly #plan: FilePlan
  readonly #load: LoadFiles<Material>
  readonly #bundles = new FileBundles()
  readonly #cache = new CertificateCache()
  readonly #keyStores = new KeyStoreCache()
  #last: Parsed<Material> | undefined

  constructor(plan: FilePlan, load: LoadFiles<Material>) {
    this.#plan = plan
    this.#load = load
  }

  /**
   * Reads the files. Returns the same object, or throws the same error, while their content is the same.
   *
   * @throws {SourceError} for a file that cannot be read, as `readFiles`
   * @throws {CertificateError} for invalid content
   */
  async load(): Promise<Loaded<Material>> {
    const files = await readFiles(this.#plan)
    const last = this.#last
    const now = Date.now()
    if (last?.digest === files.digest && !dependsOnTime(last, now)) {
      if (!last.ok) throw last.error
      this.#bundles.confirm(last.loaded.refusals, now)
      return last.loaded
    }
    const loadable = await this.#openStores(files)
    await this.#decodeAuthorities(loadable)
    const parsed = this.#parse(loadable, now)
    this.#last = parsed
    if (!parsed.ok) throw parsed.error
    return parsed.loaded
  }

  async #openStores(files: ReadFiles): Promise<LoadableFiles> {
    this.#keyStores.beginRound()
    if (![...files.bytes.values()].some(isKeyStore)) return { ...files, decodeKeyStore: refuseKeyStores }
    const { decodeKeyStore } = await import('../key-store/key-store.ts')
    return {
      ...files,
      decodeKeyStore: (bytes, passphrase) => this.#keyStores.open(bytes, passphrase, decodeKeyStore),
    }
  }

  /** Decodes in short turns what would otherwise be decoded at once. */
  async #decodeAuthorities(files: LoadableFiles): Promise<void> {
    const contents = listAuthorities(files)
    if (files.trust.kind === 'bundles') await this.#bundles.prepare(contents)
    else await decodeInTurns(this.#cache, new PublishedBundles(), contents)
  }

  #parse(files: LoadableFiles, now: number): Parsed<Material> {
    const { digest } = files
    try {
      const context = { now, bundles: this.#bundles, cache: this.#cache }
      return { ok: true, digest, now, loaded: this.#load(this.#plan, files, context) }
    } catch (error) {
      return { ok: false, digest, now, error }
    }
  }
}

function refuseKeyStores(): never {
  throw new CertificateError('key_store_malformed', 'found no PKCS#12 store among the files, expected one')
}

/** The result for the files with this digest, at `now` (epoch milliseconds). */
type Parsed<Material> = { readonly digest: string; readonly now: number } & (
  | { readonly ok: true; readonly loaded: Loaded<Material> }
  | { readonly ok: false; readonly error: unknown }
)

/**
 * Returns true if the same bytes may become valid later: a certificate may not be valid yet, or a wrong clock may be
 * corrected.
 */
function dependsOnTime(parsed: Parsed<unknown>, now: number): boolean {
  if (now < parsed.now) return true
  if (parsed.ok || !(parsed.error instanceof CertificateError)) return false
  return parsed.error.value === 'not_yet_valid' || parsed.error.value === 'expired'
}
