import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { SourceError } from '../../errors.ts'
import { listBundles } from './bundle-folder.ts'
import { describeIdentity } from './file-identity.ts'
import type { FilePlan, OwnPlan, PlannedFile } from './file-plan.ts'
import { type FileContent, readFile } from './read-file.ts'

/** What all files of a plan held at one moment. */
export interface ReadFiles {
  /** By path. */
  readonly bytes: ReadonlyMap<string, Buffer>
  /** The files that the authorities come from: of a folder, those that were in it. */
  readonly trust: TrustFiles
  /** Equal for the same files with the same content. */
  readonly digest: string
}

/** A plan's authorities with the folder, if it was one, replaced by what is in it. */
type TrustFiles =
  | { readonly kind: 'bundles'; readonly files: ReadonlyMap<string, PlannedFile> }
  | { readonly kind: 'ca'; readonly files: readonly PlannedFile[] }

/**
 * Reads all files as they were at one moment: a key is never read before a rotation and the bundles after it.
 *
 * @throws {SourceError} `file_missing`, `file_forbidden` or `file_unsuitable` naming one of them; `files_unstable` when
 * they change faster than they can be read
 */
export async function readFiles(plan: FilePlan): Promise<ReadFiles> {
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    const trust = await resolveTrust(plan)
    const paths = listPaths(plan.own, trust)
    const contents = await readAll(paths)
    if ((await areUnchanged(contents)) && isSameList(paths, listPaths(plan.own, await resolveTrust(plan)))) {
      const bytes = new Map([...contents].map(([path, content]) => [path, content.bytes] as const))
      return { bytes, trust, digest: digestFiles(bytes) }
    }
    await wait(pauseMs)
  }
  throw new SourceError(
    'files_unstable',
    `found files that changed each of the ${mostAttempts} times that they were read, expected a complete set at rest`,
  )
}

const mostAttempts = 5
const pauseMs = 50

/** The files of our own key and chain. */
export function listOwn(own: OwnPlan): readonly PlannedFile[] {
  return own.kind === 'pair' ? [own.key, own.cert] : [own.keyStore]
}

async function resolveTrust({ trust }: FilePlan): Promise<TrustFiles> {
  return trust.kind === 'folder' ? { kind: 'bundles', files: await listBundles(trust.path) } : trust
}

/** Each path once, so that a key and a chain in one file are of one moment, with the option to name in errors. */
function listPaths(own: OwnPlan, { files }: TrustFiles): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (const { option, path, passphraseFile } of [...listOwn(own), ...files.values()]) {
    if (!options.has(path)) options.set(path, option)
    if (passphraseFile !== undefined && !options.has(passphraseFile)) {
      options.set(passphraseFile, `${option}.passphraseFile`)
    }
  }
  return options
}

async function readAll(paths: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, FileContent>> {
  const contents = new Map<string, FileContent>()
  for (const [path, option] of paths) contents.set(path, await readFile(option, path))
  return contents
}

async function areUnchanged(contents: ReadonlyMap<string, FileContent>): Promise<boolean> {
  for (const [path, { identity }] of contents) {
    const now = await stat(path, { bigint: true }).then(describeIdentity, () => undefined)
    if (now !== identity) return false
  }
  return true
}

function isSameList(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): boolean {
  return [...before.keys()].join('\0') === [...after.keys()].join('\0')
}

function digestFiles(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256')
  for (const [path, bytes] of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes)
  return hash.digest('hex')
}
