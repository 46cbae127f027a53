import { type JSONVisitor, printParseErrorCode, visit } from 'jsonc-parser'
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
  const text = readText(input, where)
  const open: Open[] = []
  let whole: JsonValue = null
  let values = 0
  const put = (value: JsonValue): void => {
    values += 1
    if (values > maxValues) refuseSize(where, `more than ${maxValues} values`, 'fewer')
    const innermost = open.at(-1)
    if (innermost === undefined) whole = value
    else innermost.put(value)
  }
  const begin = (value: JsonValue, level: Open, offset: number): void => {
    if (open.length === maxLevels) refuse(where, `more than ${maxLevels} levels at character ${offset}`, 'fewer')
    put(value)
    open.push(level)
  }
  const end = (): void => {
    open.pop()
  }

  const visitor: JSONVisitor = {
    onArrayBegin: (offset) => {
      const values: JsonValue[] = []
      begin(values, { name: () => undefined, put: (value) => values.push(value) }, offset)
    },
    onArrayEnd: end,
    onObjectBegin: (offset) => {
      const members = new Map<string, JsonValue>()
      let current = ''
      const name = (next: string): void => {
        if (members.has(next)) refuse(where, `the name ${quote(next)} twice in one object`, 'each name once')
        current = next
      }
      begin(members, { name, put: (value) => members.set(current, value) }, offset)
    },
    onObjectEnd: end,
    onObjectProperty: (name) => open.at(-1)?.name(name),
    onLiteralValue: (value: unknown, offset, length) => {
      if (typeof value === 'number') put(parseNumber(text.slice(offset, offset + length), where))
      else put(typeof value === 'string' || typeof value === 'boolean' ? value : null)
    },
    // The parser is made for editors and would go on.
    onError: (error, offset) => {
      refuse(where, `no JSON at character ${offset} (${printParseErrorCode(error)})`, 'JSON by RFC 8259')
    },
  }
  visit(text, visitor, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false })
  return whole
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

function readText(input: string | Uint8Array, where: string): string {
  const length = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength
  if (length > maxTextBytes) refuseSize(where, `${length} bytes of JSON`, `at most ${maxTextBytes}`)
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

function refuse(where: string, found: string, expected: string): never {
  throw new CertificateError('bundle_malformed', `${where}: found ${found}, expected ${expected}`)
}

function refuseSize(where: string, found: string, expected: string): never {
  throw new CertificateError('bundle_too_large', `${where}: found ${found}, expected ${expected}`)
}
