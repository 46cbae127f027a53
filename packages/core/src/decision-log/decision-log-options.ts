import type { Writable } from 'node:stream'
import { describeValue, isCallable, isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'

/** Options of `decisionLog`. Exactly one of `path` and `stream` is required. */
export interface DecisionLogOptions {
  /**
   * The file to append to. It is created with mode 0600 if it does not exist; its folder must exist. A symbolic link,
   * pipe or device is rejected. When the file is renamed or removed, a new one is created within a second.
   */
  readonly path?: string
  /**
   * The stream to write to. `close()` does not end it, because it may have other users. On Linux, Node.js writes to
   * `process.stdout` synchronously, so a reader that stalls would block the service.
   */
  readonly stream?: Writable
  /**
   * The fraction of allowed decisions that is written, from 0 to 1. Default: 0.01. In each file and on each day, the
   * first allowed decision of each caller, method, rule and policy is always written, so that unused access can be
   * found from the log of any day. Denials and would-be denials are always written.
   */
  readonly sampleAllowed?: number
  /**
   * How many denials without a principal are written per second; the rest are counted. Default: 100. Any client that
   * can reach the port can cause them, and must not fill the disk.
   */
  readonly maxPerSecond?: number
  /**
   * How many bytes may wait to be written, from 65536 to 67108864. Default: 1048576. Further decisions are counted but
   * not written, because requests never wait for the log.
   */
  readonly maxQueueBytes?: number
  /** Fields to write that are left out by default, because they may be personal data. */
  readonly include?: readonly 'remoteAddress'[]
  /**
   * Masks the path of each written line, for example if a segment is an account number. If it throws, or returns
   * anything but a string, `(redacted)` is written. Default: the path without query and fragment.
   */
  readonly redactPath?: (path: string) => string
  /** Receives the error when lines cannot be written; called once per outage. Default: a process warning. */
  readonly onError?: (error: Error) => void
}

/** The fields to leave out of lines. */
export interface Redaction {
  readonly remoteAddress: boolean
  readonly redactPath: ((path: string) => string) | undefined
}

/** Where a log is written. */
type LogDestination =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stream'; readonly stream: Writable }

/** Validated options. */
export interface ParsedLogOptions {
  readonly destination: LogDestination
  readonly sampleAllowed: number
  readonly maxPerSecond: number
  readonly maxQueueBytes: number
  readonly redaction: Redaction
  readonly onError: (error: Error) => void
}

/**
 * Validates every option.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseLogOptions(input: unknown): ParsedLogOptions {
  const options = parseOptions(input, names, 'decisionLog')
  const { sampleAllowed = 0.01, maxPerSecond = 100, maxQueueBytes = 1024 * 1024, redactPath, onError } = options
  if (typeof sampleAllowed !== 'number' || !(sampleAllowed >= 0 && sampleAllowed <= 1)) {
    return refuseValue('decisionLog: sampleAllowed', sampleAllowed, 'a number from 0 to 1')
  }
  if (redactPath !== undefined && !isRedactPath(redactPath)) {
    return refuseValue('decisionLog: redactPath', redactPath, 'a function from a path to a path')
  }
  if (onError !== undefined && !isOnError(onError)) {
    return refuseValue('decisionLog: onError', onError, 'a function')
  }
  return {
    destination: parseDestination(options),
    sampleAllowed,
    maxPerSecond: parseWhole(maxPerSecond, 'maxPerSecond', 0, 1_000_000),
    maxQueueBytes: parseWhole(maxQueueBytes, 'maxQueueBytes', 65_536, 67_108_864),
    redaction: { remoteAddress: parseInclude(options['include']), redactPath },
    onError: onError ?? warn,
  }
}

const names: readonly (keyof DecisionLogOptions)[] = [
  'path',
  'stream',
  'sampleAllowed',
  'maxPerSecond',
  'maxQueueBytes',
  'include',
  'redactPath',
  'onError',
]

function parseDestination({ path, stream }: Readonly<Record<string, unknown>>): LogDestination {
  if ((path === undefined) === (stream === undefined)) {
    return refuseValue('decisionLog', path, "either 'path' or 'stream'")
  }
  if (stream !== undefined) {
    return isWritable(stream)
      ? { kind: 'stream', stream }
      : refuseValue('decisionLog: stream', stream, 'a writable stream')
  }
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return { kind: 'file', path }
  return refuseValue('decisionLog: path', path, 'the path of a file')
}

function isWritable(value: unknown): value is Writable {
  return isRecord(value) && ['write', 'on', 'off'].every((name) => typeof value[name] === 'function')
}

function parseWhole(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  return refuseValue(`decisionLog: ${name}`, value, `a whole number from ${least} to ${most}`)
}

function parseInclude(value: unknown): boolean {
  if (value === undefined) return false
  if (!Array.isArray(value)) return refuseValue('decisionLog: include', value, "a list such as ['remoteAddress']")
  for (const [index, entry] of value.entries()) {
    if (entry !== 'remoteAddress') refuseValue(`decisionLog: include[${index}]`, entry, "'remoteAddress'")
  }
  return value.length > 0
}

// Its result is checked at each call.
function isRedactPath(value: unknown): value is (path: string) => string {
  return isCallable(value)
}

function isOnError(value: unknown): value is (error: Error) => void {
  return isCallable(value)
}

function warn(error: Error): void {
  process.emitWarning(`decision log: ${describeValue(error.message)}; lines are lost until this is resolved`, {
    type: 'CountersignWarning',
  })
}
