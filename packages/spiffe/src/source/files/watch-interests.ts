import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isBundleFile } from './bundle-folder.ts'
import type { Interests } from './folder-watch.ts'
import { type FileSet, listOwn } from './read-files.ts'
import { traceLinks } from './trace-links.ts'

/**
 * Returns every folder where a change can affect the files of a plan, with the relevant names. Valid only for the
 * current symbolic links.
 */
export async function findInterests({ own, trust }: FileSet): Promise<Interests> {
  const interests = new Map<string, ((name: string) => boolean)[]>()
  const add = (folder: string, isWorthALook: (name: string) => boolean): void => {
    interests.set(folder, [...(interests.get(folder) ?? []), isWorthALook])
  }
  const files = [...listOwn(own), ...(trust.kind === 'folder' ? [] : trust.files.values())]
  const paths = files.flatMap(({ path, passphraseFile }) =>
    passphraseFile === undefined ? [path] : [path, passphraseFile],
  )
  if (trust.kind === 'folder') {
    const folder = await realpath(trust.path).catch(() => undefined)
    if (folder !== undefined) add(folder, isBundleFile)
    paths.push(trust.path, ...(await listBundlePaths(trust.path)))
  }
  for (const path of new Set(paths)) {
    for (const hop of await traceLinks(path)) add(hop.folder, (name) => name === hop.name)
  }
  return interests
}

async function listBundlePaths(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter(isBundleFile).map((name) => join(folder, name))
}
