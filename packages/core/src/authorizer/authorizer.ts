import type { Authorizer, AuthorizerCache } from '@countersign/authorization'
import { isCallable, parseOptions, parseStringList, readDuration, refuseValue } from '@countersign/spiffe/options'
import type { MapBounds } from '../connection/bounded-map.ts'

/** Validated options of an authorizer. */
export interface ParsedAuthorizer extends Required<Pick<Authorizer, 'name' | 'decide'>> {
  /** In lower case. */
  readonly headers: readonly string[]
  /** Milliseconds. */
  readonly timeout: number
  readonly maxConcurrent: number
  readonly maxConcurrentPerCaller: number
  readonly cache: ParsedCache | undefined
}

/** Validated options of a cache. */
export interface ParsedCache extends Pick<AuthorizerCache, 'key'> {
  /** Milliseconds. */
  readonly ttl: number
  readonly bounds: MapBounds
}

/**
 * Describes an external engine that decides requests that all other layers allow. It can only deny: if the engine is
 * too slow, fails or returns an invalid answer, the request is denied.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 * @example
 * createGuard({ source, rules, authorizer: authorizer({
 *   name: 'directory',
 *   decide: async ({ principal, path }, { signal }) => directory.mayCall(principal?.name, path, { signal }),
 * }) })
 */
export function authorizer(options: Authorizer): Authorizer {
  parseAuthorizer(options, 'authorizer')
  const { headers, cache } = options
  return Object.freeze({
    ...options,
    ...(headers !== undefined && { headers: Object.freeze([...headers]) }),
    ...(cache !== undefined && { cache: Object.freeze({ ...cache }) }),
  })
}

/** Validates an authorizer, and applies the defaults. */
export function parseAuthorizer(input: Authorizer, where: string): ParsedAuthorizer {
  parseOptions(input, knownOptions, where)
  const { name, decide, headers, timeout = '1s', maxConcurrent = 100, maxConcurrentPerCaller = 20, cache } = input
  if (typeof name !== 'string' || !/^[\w.:/-]{1,64}$/.test(name)) {
    refuseValue(`${where}: name`, name, 'a name of at most 64 letters, digits and . _ : / -')
  }
  if (!isCallable(decide)) refuseValue(`${where}: decide`, decide, 'a function')
  return Object.freeze({
    name,
    decide,
    headers: headers === undefined ? [] : parseHeaders(headers, `${where}: headers`),
    timeout: parseMilliseconds(timeout, 60_000, `${where}: timeout`),
    maxConcurrent: parseCount(maxConcurrent, `${where}: maxConcurrent`),
    maxConcurrentPerCaller: parseCount(maxConcurrentPerCaller, `${where}: maxConcurrentPerCaller`),
    cache: cache === undefined ? undefined : parseCache(cache, `${where}: cache`),
  })
}

const knownOptions = ['name', 'decide', 'headers', 'timeout', 'maxConcurrent', 'maxConcurrentPerCaller', 'cache']

function parseCache(input: AuthorizerCache, where: string): ParsedCache {
  parseOptions(input, ['key', 'ttl', 'maxEntries', 'maxBytes'], where)
  const { key, ttl, maxEntries = 10_000, maxBytes = 4 * 1024 * 1024 } = input
  if (!isCallable(key)) refuseValue(`${where}.key`, key, 'a function that returns a list of strings')
  const bounds = {
    entries: parseCount(maxEntries, `${where}.maxEntries`),
    bytes: parseCount(maxBytes, `${where}.maxBytes`),
  }
  return Object.freeze({ key, ttl: parseMilliseconds(ttl, 3_600_000, `${where}.ttl`), bounds })
}

function parseHeaders(input: unknown, where: string): readonly string[] {
  const names = parseStringList(input, where).map((name) => name.toLowerCase())
  const bad = names.find((name) => !/^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/.test(name))
  if (bad !== undefined) refuseValue(where, bad, 'names of headers (RFC 9110 §5.1)')
  return Object.freeze([...new Set(names)])
}

function parseMilliseconds(input: unknown, longest: number, where: string): number {
  const milliseconds = typeof input === 'string' ? readMilliseconds(input) : input
  if (typeof milliseconds === 'number' && milliseconds >= 1 && milliseconds <= longest) return milliseconds
  return refuseValue(where, input, `1 to ${longest} milliseconds, or text such as '500ms' or '1s'`)
}

function readMilliseconds(text: string): number | undefined {
  const [, count] = /^([1-9]\d{0,6})ms$/.exec(text) ?? []
  return count === undefined ? readDuration(text) : Number(count)
}

function parseCount(input: unknown, where: string): number {
  if (typeof input === 'number' && Number.isSafeInteger(input) && input >= 1) return input
  return refuseValue(where, input, 'a whole number from 1')
}
