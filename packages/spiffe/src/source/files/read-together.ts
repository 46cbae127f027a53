import { stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { SourceError } from '../../errors.ts'
import { describeIdentity } from './file-identity.ts'
import { type FileContent, readFile } from './read-file.ts'

/** A file of a set. */
export interface ListedFile {
  /** The option that configures it, for messages. */
  readonly option: string
  /** Whether the set is useless without this file. */
  readonly isNeeded: boolean
  readonly mostBytes: number
}

/** The files of a set, by path. */
export interface FileListing {
  readonly paths: ReadonlyMap<string, ListedFile>
}

/** The content of a set at one time. */
export interface FilesTogether<Listing> {
  readonly listing: Listing
  /** By path. */
  readonly contents: ReadonlyMap<string, FileContent>
  /** Why a file that is not needed could not be read, by path. */
  readonly failed: ReadonlyMap<string, SourceError>
}

/**
 * Reads all files of a set in a consistent state: none from before an update with others from after it. A file that is
 * not needed and cannot be read does not affect the others.
 *
 * @param list lists the files; called before and after each attempt
 * @throws {SourceError} `file_missing`, `file_forbidden` or `file_unsuitable` for a needed file; `files_unstable` if the
 * files change faster than they can be read
 */
export async function readTogether<Listing extends FileListing>(
  list: () => Promise<Listing>,
): Promise<FilesTogether<Listing>> {
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    const isLast = attempt === mostAttempts
    const listing = await list()
    const { paths } = listing
    const { contents, failed } = await readAll(paths)
    const changed = await findChanged(contents)
    const isSame = isSameList(paths, (await list()).paths)
    // A file that changes constantly is left out, unless it is required.
    const isGoodEnough = isLast && [...changed].every((path) => paths.get(path)?.isNeeded === false)
    if (isSame && (changed.size === 0 || isGoodEnough)) {
      for (const path of changed) failed.set(path, describeUnstable(`${paths.get(path)?.option} '${path}'`))
      return { listing, contents, failed }
    }
    await wait(pauseMs)
  }
  throw describeUnstable('files')
}

const mostAttempts = 5
const pauseMs = 50

function describeUnstable(what: string): SourceError {
  const message = `found ${what} that changed during each of ${mostAttempts} attempts to read, expected a complete set that does not change`
  return new SourceError('files_unstable', message)
}

interface ReadContents {
  readonly contents: ReadonlyMap<string, FileContent>
  /** By path. */
  readonly failed: Map<string, SourceError>
}

async function readAll(paths: ReadonlyMap<string, ListedFile>): Promise<ReadContents> {
  const contents = new Map<string, FileContent>()
  const failed = new Map<string, SourceError>()
  for (const [path, { option, isNeeded, mostBytes }] of paths) {
    try {
      contents.set(path, await readFile(option, path, mostBytes))
    } catch (error) {
      if (isNeeded || !(error instanceof SourceError)) throw error
      failed.set(path, error)
    }
  }
  return { contents, failed }
}

async function findChanged(contents: ReadonlyMap<string, FileContent>): Promise<ReadonlySet<string>> {
  const changed = new Set<string>()
  for (const [path, { identity }] of contents) {
    const now = await stat(path, { bigint: true }).then(describeIdentity, () => undefined)
    if (now !== identity) changed.add(path)
  }
  return changed
}

function isSameList(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): boolean {
  return [...before.keys()].join('\0') === [...after.keys()].join('\0')
}
