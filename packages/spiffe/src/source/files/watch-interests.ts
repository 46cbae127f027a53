import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isBundleFile } from './bundle-folder.ts'
import type { Interests } from './folder-watch.ts'
import { type FileSet, listOwn } from './read-files.ts'
import { traceLinks } from './trace-links.ts'

/** A folder of which some files matter. */
export interface InterestingFolder {
  readonly path: string
  readonly isWorthALook: (name: string) => boolean
}

/** Returns every folder where a change can affect the files of a plan, with the relevant names. */
export async function findInterests({ own, trust }: FileSet): Promise<Interests> {
  const files = [...listOwn(own), ...(trust.kind === 'folder' ? [] : trust.files.values())]
  const paths = files.flatMap(({ path, passphraseFile }) =>
    passphraseFile === undefined ? [path] : [path, passphraseFile],
  )
  return findPathInterests(paths, trust.kind === 'folder' ? [{ path: trust.path, isWorthALook: isBundleFile }] : [])
}

/**
 * Returns every folder where a change can affect these files, or the interesting files of these folders, with the
 * relevant names. Valid only for the current symbolic links.
 */
export async function findPathInterests(
  files: readonly string[],
  folders: readonly InterestingFolder[],
): Promise<Interests> {
  const interests = new Map<string, ((name: string) => boolean)[]>()
  const add = (folder: string, isWorthALook: (name: string) => boolean): void => {
    interests.set(folder, [...(interests.get(folder) ?? []), isWorthALook])
  }
  const paths = new Set(files)
  for (const { path, isWorthALook } of folders) {
    const folder = await realpath(path).catch(() => undefined)
    if (folder !== undefined) add(folder, isWorthALook)
    paths.add(path)
    const names = await readdir(path).catch(() => [])
    for (const name of names.filter(isWorthALook)) paths.add(join(path, name))
  }
  for (const path of paths) {
    for (const hop of await traceLinks(path)) add(hop.folder, (name) => name === hop.name)
  }
  return interests
}
