import { CertificateError } from '../errors.ts'

/** A JSON value without loss: objects are maps, and integers of any size are `bigint`. */
export type JsonValue = null | boolean | number | bigint | string | JsonArray | JsonObject
/** See `JsonValue`. */
export type JsonArray = readonly JsonValue[]
/** A map, so that `__proto__` is an ordinary name. */
export type JsonObject = ReadonlyMap<string, JsonValue>

/**
 * Parses JSON text or its UTF-8 bytes more strictly than `JSON.parse`: an object with a repeated name is rejected, and
 * integers above 2^53 stay exact. A byte order mark is ignored (RFC 8259 §8.1).
 *
 * @param where the start of error messages
 * @throws {CertificateError} `bundle_malformed` for invalid JSON or UTF-8, for a repeated name, and above the limits
 * that RFC 8259 §9 permits: 64 levels and 64 characters per number; `bundle_too_large` above 1 MiB or 65,536 values
 */
export function parseStrictJson(input: string | Uint8Array, where: string): JsonValue {
  const text = decodeJsonText(input, where)
  requireJson(text, where)
  const open: Open[] = []
  let whole: JsonValue = null
  let count = 0
  const put = (value: JsonValue): void => {
    count += 1
    if (count > maxValues) refuseSize(where, `more than ${maxValues} values`, 'fewer')
    const innermost = open.at(-1)
    if (innermost === undefined) whole = value
    else innermost.put(value)
  }
  const begin = (value: JsonValue, level: Open, offset: number): void => {
    if (open.length === maxLevels) refuse(where, `more than ${maxLevels} levels at character ${offset}`, 'fewer')
    put(value)
    open.push(level)
  }
  for (const { 0: token, 1: isName, index } of text.matchAll(tokens)) {
    const [first = ''] = token
    if (isName !== undefined) open.at(-1)?.name(readString(isName))
    else if (first === '{') {
      const members = new Map<string, JsonValue>()
      begin(members, openObject(members, where), index)
    } else if (first === '[') {
      const values: JsonValue[] = []
      begin(values, { name: () => undefined, put: (value) => values.push(value) }, index)
    } else if (first === '}' || first === ']') open.pop()
    else if (first === '"') put(readString(token))
    else put(constants.has(token) ? (constants.get(token) ?? null) : parseNumber(token, where))
  }
  return whole
}

// `JSON.parse` checks the grammar, but hides repeated names and rounds numbers. So the accepted text is read again as
// tokens: a name with its colon, another string, a bracket, a number or a constant.
const tokens = /("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\]]|[-+.0-9a-zA-Z]+/g

const constants: ReadonlyMap<string, JsonValue> = new Map([
  ['null', null],
  ['true', true],
  ['false', false],
])

function requireJson(text: string, where: string): void {
  try {
    JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    refuse(where, `invalid JSON (${quote(why)})`, 'JSON (RFC 8259)', cause)
  }
}

function readString(token: string): string {
  return String(JSON.parse(token))
}

function openObject(members: Map<string, JsonValue>, where: string): Open {
  let current = ''
  return {
    name: (next) => {
      if (members.has(next)) refuse(where, `the name ${quote(next)} twice in one object`, 'each name once')
      current = next
    },
    put: (value) => members.set(current, value),
  }
}

/** Returns true if the value is an object, not null or an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map
}

/** Returns true if the value is an array. */
export function isJsonArray(value: JsonValue | undefined): value is JsonArray {
  return Array.isArray(value)
}

/** An array or object that is not closed yet. An array ignores names. */
interface Open {
  readonly name: (name: string) => void
  readonly put: (value: JsonValue) => void
}

/** A bundle has 4 levels. Deeper values could exhaust the stack of code that walks them recursively. */
const maxLevels = 64

/** Ten times what a bundle of 256 authorities has. A megabyte of small values would take a second. */
const maxValues = 65_536

/** A bundle of 256 authorities with 4096-bit keys has two thirds of this. */
const maxTextBytes = 1024 * 1024

/**
 * Returns JSON text without its byte order mark.
 *
 * @param mostBytes default 1 MiB
 * @throws {CertificateError} `bundle_too_large` above that, `bundle_malformed` for bytes that are not UTF-8
 */
export function decodeJsonText(input: string | Uint8Array, where: string, mostBytes: number = maxTextBytes): string {
  const length = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength
  if (length > mostBytes) refuseSize(where, `${length} bytes of JSON`, `at most ${mostBytes}`)
  if (typeof input === 'string') return input.replace(/^\uFEFF/, '')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(input)
  } catch (cause) {
    throw new CertificateError('bundle_malformed', `${where}: found bytes that are not UTF-8, expected JSON in UTF-8`, {
      cause,
    })
  }
}

/**
 * Enough for every double and for 200-bit integers. The time to parse an integer grows with the square of its length.
 */
const maxNumberLength = 64

function parseNumber(text: string, where: string): number | bigint {
  if (text.length > maxNumberLength) {
    refuse(where, `a number of ${text.length} characters`, `at most ${maxNumberLength}`)
  }
  return /^-?[0-9]+$/.test(text) ? BigInt(text) : Number(text)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text)
}

function refuse(where: string, found: string, expected: string, cause?: unknown): never {
  throw new CertificateError('bundle_malformed', `${where}: found ${found}, expected ${expected}`, {
    ...(cause !== undefined && { cause }),
  })
}

function refuseSize(where: string, found: string, expected: string): never {
  throw new CertificateError('bundle_too_large', `${where}: found ${found}, expected ${expected}`)
}
