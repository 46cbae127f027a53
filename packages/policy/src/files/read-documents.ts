import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SourceError } from '@countersign/spiffe'
import { explainFailure, type FileListing, type ListedFile, readTogether } from '@countersign/spiffe/internal'
import type { WorkerFile } from '../worker/messages.ts'
import type { DocumentLocation } from './file-options.ts'

/** The files of all documents at one time. */
export interface ReadDocuments {
  readonly files: readonly WorkerFile[]
  /** Equal for equal names and contents: `sha256:` and 64 hex digits. */
  readonly revision: string
}

/**
 * Reads all documents in a consistent state.
 *
 * @throws {SourceError} `file_missing`, `file_forbidden`, or `file_unsuitable` also for a folder without documents and
 * for too many or too large files; `files_unstable` if they change faster than they can be read
 */
export async function readDocuments(locations: readonly DocumentLocation[]): Promise<ReadDocuments> {
  const { contents } = await readTogether(() => listFiles(locations))
  const paths = [...contents.keys()]
  const files = [...contents].map(([path, { bytes }]) => ({ name: nameOf(path, paths), base: basename(path), bytes }))
  const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0)
  if (total > mostTotalBytes) {
    refuse(locations[0], `${total} bytes in ${files.length} files`, `at most ${mostTotalBytes / 2 ** 20} MiB`)
  }
  const sorted = files.toSorted((one, other) => compare(one.base, other.base) || compare(one.name, other.name))
  const revision = await hashInTurns(sorted)
  // Copies, because buffers are moved to the worker, and small ones share their memory with others.
  return { files: sorted.map(({ name, bytes }) => ({ name, bytes: new Uint8Array(bytes) })), revision }
}

/** Returns true if a file of this name in a folder is a document. */
export function isDocumentName(name: string): boolean {
  return /^[^.].*\.(?:yaml|yml|json)$/s.test(name)
}

/** A document of this size has over 100,000 rules. */
const mostBytes = 16 * 2 ** 20
const mostTotalBytes = 32 * 2 ** 20
const mostFiles = 1024

async function listFiles(locations: readonly DocumentLocation[]): Promise<FileListing> {
  const paths = new Map<string, ListedFile>()
  for (const location of locations) {
    for (const path of await listLocation(location)) {
      paths.set(path, { option: location.option, isNeeded: true, mostBytes })
    }
  }
  if (paths.size > mostFiles) refuse(locations[0], `${paths.size} documents`, `at most ${mostFiles}`)
  return { paths }
}

async function listLocation(location: DocumentLocation): Promise<readonly string[]> {
  const { kind, option, path } = location
  if (kind === 'file') return [path]
  try {
    const names = (await readdir(path)).filter(isDocumentName).toSorted(compare)
    if (names.length === 0) refuse(location, 'a folder without documents', 'at least one *.yaml, *.yml or *.json')
    return names.map((name) => join(path, name))
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && error.code === 'ENOTDIR'
    if (isFile && kind === 'either') return [path]
    if (isFile) refuse(location, 'a file', 'a folder; for files use the option files')
    throw explainFailure(option, path, error)
  }
}

function refuse(location: DocumentLocation | undefined, found: string, expected: string): never {
  const { option = 'policyFiles', path = '' } = location ?? {}
  throw new SourceError('file_unsuitable', `${option} '${path}': found ${found}, expected ${expected}`, { value: path })
}

/**
 * Returns the base name of a document, or its path if two have the same base name. Short and printable, because events
 * contain it.
 */
function nameOf(path: string, paths: readonly string[]): string {
  const base = basename(path)
  const name = paths.filter((other) => basename(other) === base).length === 1 ? base : path
  const printable = name.replaceAll(/[\p{Cc}\p{Cs}]/gu, '\uFFFD')
  return printable.length > mostNameLength ? `…${printable.slice(1 - mostNameLength)}` : printable
}

const mostNameLength = 200

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Hashes the base names and contents, with a turn of the event loop after each MiB. */
async function hashInTurns(files: readonly { readonly base: string; readonly bytes: Buffer }[]): Promise<string> {
  const hash = createHash('sha256')
  let budget = turnBytes
  for (const { base, bytes } of files) {
    hash.update(`${base}\0${bytes.length}\0`)
    for (let start = 0; start < bytes.length; start += turnBytes) {
      const part = bytes.subarray(start, start + turnBytes)
      hash.update(part)
      budget -= part.length
      if (budget > 0) continue
      await nextTurn()
      budget = turnBytes
    }
  }
  return `sha256:${hash.digest('hex')}`
}

const turnBytes = 2 ** 20
