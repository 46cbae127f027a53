import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SourceError } from '../../errors.ts'
import { parseTrustDomain } from '../../spiffe-id/trust-domain.ts'
import type { PlannedFile } from './file-plan.ts'
import { explainFailure } from './read-file.ts'

/**
 * Lists the bundle files of a folder by trust domain, in a fixed order.
 *
 * @throws {SourceError} `file_missing` or `file_forbidden` for the folder; `file_unsuitable` for a file in its place, a
 * folder without a bundle file, with more than 1024, and one with two of a trust domain
 */
export async function listBundles(path: string): Promise<ReadonlyMap<string, PlannedFile>> {
  const names = (await listNames(path)).filter(isBundleFile).toSorted()
  if (names.length > mostBundles) refuse(path, `${names.length} bundles`, `expected at most ${mostBundles}`)
  const files = new Map<string, PlannedFile>()
  for (const name of names) {
    const trustDomain = name.slice(0, name.lastIndexOf('.'))
    const other = files.get(trustDomain)
    if (other !== undefined) {
      refuse(path, `'${other.path}' and '${name}'`, 'expected one file for each trust domain; remove one of them')
    }
    files.set(trustDomain, { option: `bundles[${trustDomain}]`, path: join(path, name) })
  }
  if (files.size === 0) refuse(path, 'no bundle', 'expected files named <trust domain>.pem, .crt, .json or .p12')
  return files
}

/** The names of more authorities pass no handshake, and to find that out by reading them would hold up the service. */
const mostBundles = 1024

/** Whether a file of this name is the bundle of a trust domain: hidden files are what writers leave behind. */
export function isBundleFile(name: string): boolean {
  const [, stem = ''] = /^([^.].*)\.(?:pem|crt|json|p12)$/.exec(name) ?? []
  try {
    return parseTrustDomain(stem) === stem
  } catch {
    return false
  }
}

async function listNames(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') {
      return refuse(path, 'a file', "expected a folder; for one file write bundles: { '<trust domain>': path }")
    }
    throw explainFailure('bundles', path, error)
  }
}

function refuse(path: string, found: string, remedy: string): never {
  throw new SourceError('file_unsuitable', `bundles '${path}': found ${found}, ${remedy}`, { value: path })
}
