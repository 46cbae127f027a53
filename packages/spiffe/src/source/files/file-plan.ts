import { resolve } from 'node:path'
import { isUint8Array } from 'node:util/types'
import { ConfigurationError } from '../../errors.ts'
import { describeValue, isOptions, parseOptions } from '../../options.ts'
import { parseTrustDomain } from '../../spiffe-id/trust-domain.ts'

/** A file to read, and the option that configures it. */
export interface PlannedFile {
  /** The option, for messages: `key`, `bundles[saas.example]`. */
  readonly option: string
  /** Absolute. */
  readonly path: string
  readonly passphrase?: string
  /** Absolute. */
  readonly passphraseFile?: string
}

/** The files of our own key and chain. */
export type OwnPlan =
  | { readonly kind: 'pair'; readonly key: PlannedFile; readonly cert: PlannedFile }
  | { readonly kind: 'store'; readonly keyStore: PlannedFile }

/** The files of the authorities: by trust domain, in a folder, or of a CA. */
export type TrustPlan =
  | { readonly kind: 'bundles'; readonly files: ReadonlyMap<string, PlannedFile> }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'ca'; readonly files: readonly PlannedFile[] }

/** The parsed options of `fileSource`. */
export interface FilePlan {
  readonly own: OwnPlan
  readonly trust: TrustPlan
  /** Milliseconds. */
  readonly pollMs: number
}

/**
 * Parses the options of `fileSource`. Relative paths become absolute, because a process may change its working
 * directory.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`; the message states what to write
 */
export function parseFileOptions(input: unknown): FilePlan {
  const options = parseOptions(input, ['key', 'cert', 'keyStore', 'bundles', 'ca', 'pollMs'], 'fileSource')
  return { own: parseOwn(options), trust: parseTrust(options), pollMs: parsePollMs(options['pollMs']) }
}

type Options = Readonly<Record<string, unknown>>

function parseOwn({ key, cert, keyStore }: Options): OwnPlan {
  if (keyStore !== undefined) {
    if (key !== undefined || cert !== undefined)
      refuse('fileSource: found keyStore together with key or cert, expected one or the other')
    return { kind: 'store', keyStore: parseLocation('keyStore', keyStore) }
  }
  if (key === undefined || cert === undefined) {
    const missing = key === undefined ? 'key' : 'cert'
    refuse(`fileSource: found no ${missing}, expected key and cert, or keyStore instead`)
  }
  if (typeof cert !== 'string' && !isUint8Array(cert))
    refuse(`cert: found ${describeValue(cert)}, expected a path; a chain needs no passphrase`)
  return { kind: 'pair', key: parseLocation('key', key), cert: parseLocation('cert', cert) }
}

function parseTrust({ bundles, ca }: Options): TrustPlan {
  if ((bundles === undefined) === (ca === undefined)) {
    const found = bundles === undefined ? 'neither bundles nor ca' : 'both bundles and ca'
    refuse(`fileSource: found ${found}, expected bundles for SPIFFE, or ca for a CA without SPIFFE`)
  }
  if (ca !== undefined) return { kind: 'ca', files: parseCa(ca) }
  if (typeof bundles === 'string') return { kind: 'folder', path: parsePath('bundles', bundles) }
  if (!isOptions(bundles) || Object.keys(bundles).length === 0) {
    const found = isOptions(bundles) ? 'an empty object' : describeValue(bundles)
    refuse(`bundles: found ${found}, expected { '<trust domain>': path } or the path of a folder${adviseFor(bundles)}`)
  }
  const files = Object.entries(bundles).map(([name, location]) => {
    checkTrustDomain(name)
    return [name, parseLocation(`bundles[${name}]`, location)] as const
  })
  return { kind: 'bundles', files: new Map(files) }
}

function parseCa(ca: unknown): readonly PlannedFile[] {
  if (!Array.isArray(ca)) return [parseLocation('ca', ca)]
  if (ca.length === 0) refuse('ca: found an empty list, expected at least one path')
  return ca.map((location: unknown, index) => parseLocation(`ca[${index}]`, location))
}

/**
 * Checks a key of `bundles`.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkTrustDomain(name: string): void {
  const expected = `bundles: found the name ${describeValue(name)}, expected the bare name of a trust domain in lower case, such as 'saas.example'`
  try {
    if (parseTrustDomain(name) !== name) refuse(expected)
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    throw new ConfigurationError('option_invalid', expected, { value: name, cause })
  }
}

function parseLocation(option: string, input: unknown): PlannedFile {
  if (!isOptions(input)) return { option, path: parsePath(option, input) }
  const { path, passphrase, passphraseFile } = parseOptions(input, ['path', 'passphrase', 'passphraseFile'], option)
  const file = { option, path: parsePath(`${option}.path`, path) }
  if (passphrase !== undefined && passphraseFile !== undefined) {
    refuse(`${option}: found both passphrase and passphraseFile, expected only one`)
  }
  if (passphraseFile !== undefined) {
    return { ...file, passphraseFile: parsePath(`${option}.passphraseFile`, passphraseFile) }
  }
  if (passphrase === undefined) return file
  // The value may still be a passphrase, inside a list or a buffer, so it is not shown.
  if (typeof passphrase !== 'string') refuse(`${option}.passphrase: found a ${typeof passphrase}, expected text`)
  return { ...file, passphrase }
}

/**
 * Returns an absolute path.
 *
 * @param inMemory what to use instead for content that is not in a file, for messages
 * @throws {ConfigurationError} `option_invalid`
 */
export function parsePath(option: string, input: unknown, inMemory = 'staticSource()'): string {
  // A key passed instead of its path must not appear in a log.
  if (typeof input === 'string' && input.includes('-----BEGIN')) {
    return refuse(
      `${option}: found PEM text, expected the path of a file; for content that is not in a file, use ${inMemory}`,
    )
  }
  // For NUL, `fs` would throw its own error. No path can contain it.
  if (typeof input === 'string' && input !== '' && !input.includes('\0')) return resolve(input)
  return refuse(`${option}: found ${describeValue(input)}, expected the path of a file${adviseFor(input, inMemory)}`)
}

// A caller that already has the content does not need this source.
function adviseFor(input: unknown, inMemory = 'staticSource()'): string {
  if (isUint8Array(input)) return `; for content that is not in a file, use ${inMemory}`
  return input instanceof URL ? '; convert it with fileURLToPath()' : ''
}

/**
 * Returns the interval in milliseconds at which files are read without a notification.
 *
 * @param option the name of the option, for messages
 * @throws {ConfigurationError} `option_invalid`
 */
export function parsePollMs(input: unknown, option: string = 'pollMs'): number {
  if (input === undefined) return 30_000
  if (typeof input === 'number' && Number.isInteger(input) && input >= 1000 && input <= longestTimeout) return input
  return refuse(`${option}: found ${describeValue(input)}, expected whole milliseconds from 1000 to ${longestTimeout}`)
}

/** `setTimeout` fires immediately for longer delays. */
const longestTimeout = 2 ** 31 - 1

function refuse(message: string): never {
  throw new ConfigurationError('option_invalid', message)
}
