import { isAsyncFunction } from 'node:util/types'
import {
  isCallable,
  isRecord,
  parseDeadline,
  parseDuration,
  parseOptions,
  refuseValue,
} from '@countersign/spiffe/options'
import type { GuardedRequest } from './guarded-request.ts'
import type { ParsedPermissive } from './modes.ts'

/** Options of permissive mode. */
export interface PermissiveOptions {
  /** The end: ISO 8601 with a time zone, at most 366 days ahead. A guard that starts later is strict. */
  readonly until: string
  /**
   * Returns a name for an anonymous caller, for `guard.readiness()`: the id of its API key, or the name of a partner.
   * Never return the key itself.
   */
  readonly name?: (request: GuardedRequest) => string | undefined
}

/** Options of `guard.migrationListener`. */
export interface GuardMigrationOptions {
  /** How long a connection may send nothing: milliseconds, or text such as `'5s'`. Default: five seconds. */
  readonly firstByteTimeout?: number | string
}

/**
 * Parses the options of `guard.migrationListener`.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseMigrationOptions(input: unknown): { readonly firstByteTimeout?: number } {
  const where = 'guard.migrationListener'
  const { firstByteTimeout } = parseOptions(input, ['firstByteTimeout'], where)
  return firstByteTimeout === undefined
    ? {}
    : { firstByteTimeout: parseDuration(firstByteTimeout, `${where}: firstByteTimeout`) }
}

/**
 * Parses the `permissive` option of `createGuard`, at `now` (epoch milliseconds).
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parsePermissive(input: unknown, now: number): ParsedPermissive {
  const where = 'createGuard: permissive'
  const { until, name } = parseOptions(input, ['until', 'name'], where)
  if (name !== undefined && !isNaming(name))
    refuseValue(`${where}.name`, name, 'a synchronous function that returns a name')
  return { until: parseDeadline(until, `${where}.until`, now), name }
}

/**
 * Parses the `mode` option of `createGuard`, at `now` (epoch milliseconds). Returns the end of audit mode.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseMode(input: unknown, now: number): number | undefined {
  if (input === 'enforce') return undefined
  const where = 'createGuard: mode'
  if (!isRecord(input)) refuseValue(where, input, "'enforce' or { audit: { until: '2026-12-31T00:00:00Z' } }")
  const { audit } = parseOptions(input, ['audit'], where)
  const { until } = parseOptions(audit, ['until'], `${where}.audit`)
  return parseDeadline(until, `${where}.audit.until`, now)
}

function isNaming(value: unknown): value is NonNullable<PermissiveOptions['name']> {
  return isCallable(value) && !isAsyncFunction(value)
}
