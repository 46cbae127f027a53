import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SourceError } from '../../errors.ts'
import { parseTrustDomain } from '../../spiffe-id/trust-domain.ts'
import type { PlannedFile } from './file-plan.ts'
import { explainFailure } from './read-file.ts'

/** The bundle files of a folder by trust domain, and the trust domains that have more than one file. */
export interface ListedBundles {
  readonly files: ReadonlyMap<string, PlannedFile>
  readonly failures: ReadonlyMap<string, SourceError>
}

/**
 * Lists the bundle files of a folder in a fixed order.
 *
 * @throws {SourceError} `file_missing` or `file_forbidden` for the folder; `file_unsuitable` if the path is a file, or
 * if the folder has no bundle file or more than 1024
 */
export async function listBundles(path: string): Promise<ListedBundles> {
  const names = (await listNames(path)).filter(isBundleFile).toSorted()
  if (names.length > mostBundles) refuse(path, `${names.length} bundles`, `expected at most ${mostBundles}`)
  const files = new Map<string, PlannedFile>()
  const failures = new Map<string, SourceError>()
  for (const name of names) {
    const trustDomain = name.slice(0, name.lastIndexOf('.'))
    const other = files.get(trustDomain)
    if (other === undefined) files.set(trustDomain, { option: `bundles[${trustDomain}]`, path: join(path, name) })
    else failures.set(trustDomain, describeSecond(path, other, name))
  }
  if (files.size === 0) refuse(path, 'no bundle', 'expected files named <trust domain>.pem, .crt, .json or .p12')
  return { files, failures }
}

/** With more authorities their names do not fit into a handshake, and reading all the files would block the service. */
const mostBundles = 1024

/**
 * Returns true if a file of this name is the bundle of a trust domain. Hidden files are ignored, because programs leave
 * temporary files behind.
 */
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
  throw describeFolder(path, found, remedy)
}

function describeSecond(path: string, first: PlannedFile, second: string): SourceError {
  const remedy = 'expected one file for each trust domain; remove one of them'
  return describeFolder(path, `'${first.path}' and '${second}'`, remedy)
}

function describeFolder(path: string, found: string, remedy: string): SourceError {
  return new SourceError('file_unsuitable', `bundles '${path}': found ${found}, ${remedy}`, { value: path })
}
