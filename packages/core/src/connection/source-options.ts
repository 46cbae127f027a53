import { isPromise } from 'node:util/types'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue, isCallable, isRecord, parseOptions } from '@countersign/spiffe/options'
import type { GuardSource } from './material-gate.ts'
import type { MinVersion } from './tls-options.ts'

/**
 * Refuses a value that is not a source, in particular a promise of one.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkSource(source: unknown, where: string): asserts source is GuardSource {
  if (isPromise(source)) refuse(where, 'a promise', 'the source that it resolves to; write await before fileSource()')
  if (isRecord(source) && isCallable(source['onUpdate'])) return
  refuse(where, describeValue(source), 'a source such as fileSource()')
}

/**
 * Parses the `tls` option.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseTlsVersion(input: unknown, where: string): MinVersion {
  if (input === undefined) return 'TLSv1.3'
  const { minVersion = 'TLSv1.3' } = parseOptions(input, ['minVersion'], where)
  if (minVersion === 'TLSv1.3' || minVersion === 'TLSv1.2') return minVersion
  return refuse(`${where}.minVersion`, describeValue(minVersion), "'TLSv1.3' or 'TLSv1.2'", minVersion)
}

function refuse(where: string, found: string, expected: string, value?: unknown): never {
  throw new ConfigurationError('option_invalid', `${where}: found ${found}, expected ${expected}`, { value })
}
