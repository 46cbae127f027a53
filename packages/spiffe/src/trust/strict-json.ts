import { CertificateError } from '../errors.ts'

/** A JSON value in which nothing is lost: members in a map, and integers of any size as `bigint`. */
export type JsonValue = null | boolean | number | bigint | string | JsonArray | JsonObject
/** See `JsonValue`. */
export type JsonArray = readonly JsonValue[]
/** A map, so that `__proto__` is a name like any other. */
export type JsonObject = ReadonlyMap<string, JsonValue>

/**
 * Reads JSON text, or its UTF-8 bytes, with what `JSON.parse` takes no notice of: a name that is twice in an object is
 * refused, and integers above 2^53 stay exact. A byte order mark is passed over (RFC 8259 §8.1). `where` begins the
 * messages.
 *
 * @throws {CertificateError} `bundle_malformed` for what is no JSON or no UTF-8, for a repeated name, and for the limits
 * that RFC 8259 §9 leaves to us: 64 levels and 64 characters a number; `bundle_too_large` above 1 MiB
 * and above 65,536 values
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
    else put(constants.get(token) ?? parseNumber(token, where))
  }
  return whole
}

// Node's own reader knows the grammar. It hides repeated names and rounds numbers, so the text that it takes is read once
// more by its tokens: a name with its colon, another string, a bracket, a number or a constant.
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
    refuse(where, `no JSON (${quote(why)})`, 'JSON by RFC 8259', cause)
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

/** Whether it is an object, and not null or an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map
}

/** Whether it is an array. */
export function isJsonArray(value: JsonValue | undefined): value is JsonArray {
  return Array.isArray(value)
}

/** An array or an object whose end is still to come; an array ignores names, for it has none. */
interface Open {
  readonly name: (name: string) => void
  readonly put: (value: JsonValue) => void
}

/** The parser calls itself for each level, and text of a megabyte could exhaust the stack. */
const maxLevels = 64

/** A bundle of 256 authorities has a tenth of it; a megabyte of small values would take a second. */
const maxValues = 65_536

/** A bundle of 256 authorities with keys of 4096 bits has two thirds of it. */
const maxTextBytes = 1024 * 1024

/**
 * The text of JSON without its byte order mark.
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
    throw new CertificateError('bundle_malformed', `${where}: found bytes that are no UTF-8, expected JSON in UTF-8`, {
      cause,
    })
  }
}

/** Room for every double and for integers of 200 bits; what it takes to read a longer one grows with its square. */
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
