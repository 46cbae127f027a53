import { ConfigurationError, type ConfigurationErrorCode } from './errors.ts'

/**
 * Returns a copy of an options object. Rejects unknown keys, so that a misspelled option cannot silently keep its
 * default.
 *
 * @throws {ConfigurationError} `option_invalid` for anything except a plain object, `option_unknown` for a key outside
 * `known`, with the nearest known key as a suggestion
 */
export function parseOptions(
  input: unknown,
  known: readonly string[],
  where: string,
): Readonly<Record<string, unknown>> {
  if (!isOptions(input)) {
    const expected = `an object with ${known.length === 1 ? 'the option' : 'options such as'} ${known.slice(0, 3).join(', ')}`
    refuseValue(where, input, expected)
  }
  for (const key of Object.keys(input)) {
    if (known.includes(key)) continue
    const nearest = findNearest(key, known)
    const remedy = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean '${nearest}'?`
    throw new ConfigurationError('option_unknown', `${where}: unknown option '${key}'; ${remedy}`, {
      value: key,
      where,
    })
  }
  return { ...input }
}

/**
 * Returns true if a value can be an options object. Maps, URLs, promises, bytes and objects that we recognize by their
 * functions are rejected: each would look like an options object with every option omitted.
 */
export function isOptions(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isRecord(value) || findKind(value) !== undefined) return false
  const tag = Object.prototype.toString.call(value)
  return tag === '[object Object]' || tag === '[object Module]'
}

/** Returns true if a value is an object whose keys can be read: not an array, null or a function. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Returns a list of at least one non-empty string. An empty list is an error because it could mean "all" or "none".
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseStringList(input: unknown, where: string): readonly string[] {
  if (!Array.isArray(input)) refuseValue(where, input, 'a list of strings')
  if (input.length === 0) refuseValue(where, input, 'at least one entry')
  return input.map((entry: unknown, index) =>
    typeof entry === 'string' && entry !== '' ? entry : refuseValue(`${where}[${index}]`, entry, 'a non-empty string'),
  )
}

/**
 * Returns a duration in milliseconds. Accepts milliseconds, or a number with a unit such as `'90d'`, `'24h'`, `'30m'`
 * or `'45s'`. Rejects numbers below 60000: the caller probably meant days or seconds.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseDuration(input: unknown, where: string): number {
  if (typeof input === 'number' && Number.isFinite(input) && input >= 60_000) return input
  const milliseconds = typeof input === 'string' ? readDuration(input) : undefined
  if (milliseconds !== undefined) return milliseconds
  return refuseValue(where, input, "at least 60000 milliseconds, or text such as '90d', '24h', '30m' or '45s'")
}

/** Returns the milliseconds of a text such as `'90d'` or `'45s'`, or undefined for any other text. */
export function readDuration(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([1-9]\d{0,6})([dhms])$/.exec(text) ?? []
  const milliseconds = durationUnits.get(unit)
  return milliseconds === undefined ? undefined : Number(count) * milliseconds
}

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
])

/** Returns true if a value is a promise. Uses no Node.js built-in, because browsers load this file too. */
function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' && value !== null && tagOf(value) === '[object Promise]' && hasFunction(value, 'catch')
  )
}

function isUint8Array(value: unknown): value is Uint8Array {
  return tagOf(value) === '[object Uint8Array]'
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value)
}

/**
 * Handles the rejection of a promise that was passed instead of a value. An unhandled rejection would end the process.
 */
export function ignoreRejection(value: unknown): void {
  if (isPromise(value)) value.catch(() => undefined)
}

/**
 * Throws an error that states where the value is, what was found and what was expected.
 *
 * @throws {ConfigurationError} always, with `code` (default `option_invalid`) and the value
 */
export function refuseValue(
  where: string,
  found: unknown,
  expected: string,
  code: ConfigurationErrorCode = 'option_invalid',
): never {
  throw new ConfigurationError(code, `${where}: found ${describeValue(found)}, expected ${expected}`, {
    value: found,
    where,
  })
}

/** Returns the message of a thrown value, which may not be an Error. */
export function describeThrown(error: unknown): string {
  return error instanceof Error ? error.message : 'a non-Error value was thrown'
}

/**
 * Describes a value for an error message, in at most 100 characters. Never shows a key or the content of an object.
 * Hints at the most likely mistake: a missing call, instance or `await`.
 */
export function describeValue(value: unknown): string {
  if (typeof value === 'string' && value.includes('-----BEGIN')) return 'PEM text'
  if (typeof value === 'string') return `'${value.length > 80 ? `${value.slice(0, 77)}…` : value}'`
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') {
    return String(value)
  }
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'function') return describeFunction(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (isPromise(value)) return 'a promise, which was not awaited'
  if (isUint8Array(value)) return 'bytes'
  const kind = findKind(value)
  if (kind !== undefined) return kind
  const name = readName(() => Reflect.getPrototypeOf(value)?.constructor)
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`
}

function describeFunction(value: object): string {
  const kind = findKind(value)
  if (kind !== undefined) return kind
  const name = readName(() => value)
  if (/^class\b/.test(Function.prototype.toString.call(value)))
    return name === undefined ? 'a class' : `the class ${name}`
  return name === undefined ? 'a function' : `the function ${name}`
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value))
}

/** Recognizes an object that is often passed by mistake, by the functions that it has. */
function findKind(value: object): string | undefined {
  return kinds.find(([, names]) => names.every((name) => hasFunction(value, name)))?.[0]
}

const kinds: readonly (readonly [kind: string, functions: readonly string[]])[] = [
  ['a guard', ['tlsOptions', 'attach', 'admit']],
  ['a source', ['onUpdate', 'close']],
  ['a Fastify instance', ['register', 'addHook', 'inject']],
  ['an Express application', ['handle', 'use', 'engine']],
  ['a server', ['listen', 'address']],
]

function hasFunction(value: object, name: string): boolean {
  try {
    return typeof Reflect.get(value, name) === 'function'
  } catch {
    return false
  }
}

// A proxy or a getter may throw, and the value may come from a user's function that runs for a request.
function readName(find: () => object | undefined): string | undefined {
  try {
    const name: unknown = Reflect.get(find() ?? {}, 'name')
    return typeof name === 'string' && /^[\w$]{1,60}$/.test(name) ? name : undefined
  } catch {
    return undefined
  }
}

/**
 * Parses the end of a temporary mode: an ISO 8601 date and time with a time zone, at most 366 days after `now` (epoch
 * milliseconds). A time in the past is accepted, because a service also has to start after it.
 *
 * @returns epoch milliseconds
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseDeadline(value: unknown, where: string, now: number): number {
  const moment = typeof value === 'string' && deadlinePattern.test(value) ? Date.parse(value) : Number.NaN
  // `Date.parse` reads 30 February as 2 March.
  const isOfMonth =
    new Date(Date.parse(`${String(value).slice(0, 10)}T00:00Z`)).getUTCDate() === Number(String(value).slice(8, 10))
  if (Number.isNaN(moment) || !isOfMonth) {
    refuseValue(where, value, "a date and time with a time zone, such as '2026-12-31T00:00:00Z'")
  }
  if (moment - now <= longestMode) return moment
  return refuseValue(where, value, 'a time at most 366 days ahead, because a temporary mode has to end')
}

const deadlinePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** Milliseconds. */
const longestMode = 366 * 24 * 60 * 60 * 1000

/** Returns the known word nearest to a misspelled one, or undefined if none is near enough. */
export function findNearest(word: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const distance = measureDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

function measureDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

/** Returns true if a value is a function that can be called without `new`, so not a class. */
export function isCallable(value: unknown): value is (...given: never) => unknown {
  return typeof value === 'function' && !isClass(value)
}

/**
 * Checks that a value is text or bytes.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkContent(value: unknown, where: string, expected: string = 'PEM text or bytes'): void {
  if (typeof value === 'string' || isUint8Array(value)) return
  throw new ConfigurationError('option_invalid', `${where}: found ${describeValue(value)}, expected ${expected}`)
}

/**
 * Checks that a value is a list and that every entry passes `isRight`.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkListOf(
  value: unknown,
  isRight: (entry: unknown) => boolean,
  where: string,
  expected: string,
): void {
  const wrong = Array.isArray(value) ? value.findIndex((entry) => !isRight(entry)) : -1
  if (Array.isArray(value) && wrong === -1) return
  const found = Array.isArray(value) ? `${describeValue(value[wrong])} at index ${wrong}` : describeValue(value)
  throw new ConfigurationError('option_invalid', `${where}: found ${found}, expected ${expected}`)
}
