import { ConfigurationError } from '@countersign/spiffe/id'
import { parsePath, parsePollMs } from '@countersign/spiffe/internal'
import { isRecord, parseOptions, readDuration, refuseValue } from '@countersign/spiffe/options'

/** Options of `policyFiles`: where the documents are. */
export interface PolicyFilesOptions {
  /** Paths of documents. Relative to the working directory at startup. */
  readonly files?: readonly string[]
  /** A folder: each `*.yaml`, `*.yml` and `*.json` in it is a document. Hidden files and subfolders are ignored. */
  readonly folder?: string
  /**
   * The interval after which the files are read again even if the operating system reports no change: milliseconds, or
   * text such as `'30s'`. At least one second. Default 30 seconds, because network file systems do not report changes.
   */
  readonly pollInterval?: number | string
}

/** A location of documents. A path in the short form may be a file or a folder. */
export interface DocumentLocation {
  readonly kind: 'file' | 'folder' | 'either'
  /** For messages. */
  readonly option: string
  /** Absolute. */
  readonly path: string
}

/** The parsed options of `policyFiles`. */
export interface DocumentPlan {
  readonly locations: readonly DocumentLocation[]
  readonly pollMs: number
}

/**
 * Parses the argument of `policyFiles`.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parsePolicyFiles(input: unknown): DocumentPlan {
  if (typeof input === 'string')
    return { locations: [parseLocation('either', where, input)], pollMs: parsePollMs(undefined) }
  if (Array.isArray(input)) return { locations: parseList('either', where, input), pollMs: parsePollMs(undefined) }
  if (!isRecord(input)) refuseValue(where, input, "the path of a file or a folder, such as './policies'")
  const { files, folder, pollInterval } = parseOptions(input, ['files', 'folder', 'pollInterval'], where)
  if ((files === undefined) === (folder === undefined)) {
    const found = files === undefined ? 'neither files nor folder' : 'both files and folder'
    throw new ConfigurationError('option_invalid', `${where}: found ${found}, expected one of them`)
  }
  const locations =
    folder === undefined
      ? parseList('file', `${where}.files`, files)
      : [parseLocation('folder', `${where}.folder`, folder)]
  return { locations, pollMs: parseInterval(pollInterval) }
}

const where = 'policyFiles'

function parseList(kind: DocumentLocation['kind'], option: string, input: unknown): readonly DocumentLocation[] {
  if (!Array.isArray(input) || input.length === 0) refuseValue(option, input, 'a list of at least one path')
  const locations = input.map((path: unknown, index) => parseLocation(kind, `${option}[${index}]`, path))
  for (const [index, { path }] of locations.entries()) {
    if (locations.findIndex((other) => other.path === path) < index)
      refuseValue(`${option}[${index}]`, path, 'each path once')
  }
  return locations
}

function parseLocation(kind: DocumentLocation['kind'], option: string, path: unknown): DocumentLocation {
  return { kind, option, path: parsePath(option, path, 'createGuard({ policies })') }
}

function parseInterval(input: unknown): number {
  const option = `${where}.pollInterval`
  return parsePollMs(typeof input === 'string' ? (readDuration(input) ?? input) : input, option)
}
