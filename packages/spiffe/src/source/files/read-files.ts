import { createHash } from 'node:crypto'
import type { SourceError } from '../../errors.ts'
import { listBundles } from './bundle-folder.ts'
import type { OwnPlan, PlannedFile, TrustPlan } from './file-plan.ts'
import type { FileContent } from './read-file.ts'
import { type ListedFile, readTogether } from './read-together.ts'

/** The files to read. A source of bundles has none of its own. */
export interface FileSet {
  readonly own?: OwnPlan
  readonly trust: TrustPlan
}

/** The content of all files of a plan at one time. */
export interface ReadFiles {
  /** By path. */
  readonly bytes: ReadonlyMap<string, Buffer>
  /** The files of the authorities. For a folder, the files that it contained. */
  readonly trust: TrustFiles
  /** The errors of bundle files that could not be read, by trust domain. */
  readonly failures: ReadonlyMap<string, SourceError>
  /** Equal for the same files with the same content. */
  readonly digest: string
}

/** The authorities of a plan, with a folder replaced by its files. */
type TrustFiles =
  | { readonly kind: 'bundles'; readonly files: ReadonlyMap<string, PlannedFile> }
  | { readonly kind: 'ca'; readonly files: readonly PlannedFile[] }

/**
 * Reads all files in a consistent state: never a key from before a rotation with bundles from after it. A bundle file
 * that cannot be read does not affect the others.
 *
 * @throws {SourceError} `file_missing`, `file_forbidden` or `file_unsuitable`, naming one of our own files or a file of
 * a CA without SPIFFE; `files_unstable` if the files change faster than they can be read
 */
export async function readFiles(plan: FileSet): Promise<ReadFiles> {
  const { listing, contents, failed } = await readTogether(async () => {
    const resolved = await resolveTrust(plan)
    return { ...resolved, paths: listPaths(plan.own, resolved.trust) }
  })
  return collect(listing, contents, failed)
}

/** Returns the files of our own key and chain. */
export function listOwn(own: OwnPlan | undefined): readonly PlannedFile[] {
  if (own === undefined) return []
  return own.kind === 'pair' ? [own.key, own.cert] : [own.keyStore]
}

interface ResolvedTrust {
  readonly trust: TrustFiles
  readonly failures: ReadonlyMap<string, SourceError>
}

async function resolveTrust({ trust }: FileSet): Promise<ResolvedTrust> {
  if (trust.kind !== 'folder') return { trust, failures: new Map() }
  const { files, failures } = await listBundles(trust.path)
  return { trust: { kind: 'bundles', files }, failures }
}

/** For a key or a chain. */
const mostOwnBytes = 2 ** 20

/** The limit of `readBundle`. */
const mostBundleBytes = 4 * 2 ** 20

/** Lists each path once, so that a key and a chain in one file come from the same read. */
function listPaths(own: OwnPlan | undefined, trust: TrustFiles): ReadonlyMap<string, ListedFile> {
  const paths = new Map<string, ListedFile>()
  const add = (files: Iterable<PlannedFile>, isNeeded: boolean, mostBytes: number): void => {
    for (const { option, path, passphraseFile } of files) {
      if (!paths.has(path)) paths.set(path, { option, isNeeded, mostBytes })
      if (passphraseFile !== undefined && !paths.has(passphraseFile)) {
        paths.set(passphraseFile, { option: `${option}.passphraseFile`, isNeeded, mostBytes: mostOwnBytes })
      }
    }
  }
  add(listOwn(own), true, mostOwnBytes)
  add(trust.files.values(), trust.kind === 'ca', mostBundleBytes)
  return paths
}

function collect(
  { trust, failures }: ResolvedTrust,
  contents: ReadonlyMap<string, FileContent>,
  failed: ReadonlyMap<string, SourceError>,
): ReadFiles {
  const bytes = new Map([...contents].map(([path, content]) => [path, content.bytes] as const))
  const byName = new Map(failures)
  for (const [name, { path, passphraseFile = path }] of trust.kind === 'bundles' ? trust.files : []) {
    const failure = failed.get(path) ?? failed.get(passphraseFile)
    if (failure !== undefined) byName.set(name, failure)
  }
  return { bytes, trust, failures: byName, digest: digestFiles(bytes, byName) }
}

function digestFiles(files: ReadonlyMap<string, Buffer>, failures: ReadonlyMap<string, SourceError>): string {
  const hash = createHash('sha256')
  for (const [path, bytes] of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes)
  for (const [name, { message }] of failures) hash.update(`${name}\0${message.length}\0${message}`)
  return hash.digest('hex')
}
