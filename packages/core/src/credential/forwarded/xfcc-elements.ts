import { type MalformedClaim, malformed } from './forwarded-claim.ts'

/** What one proxy wrote into an `X-Forwarded-Client-Cert` header. */
export interface XfccElement {
  /** The position of its first character in the header. */
  readonly start: number
  /** The values by key, in lower case, without quotes and escapes. */
  readonly values: ReadonlyMap<XfccKey, string>
}

type XfccKey = 'by' | 'hash' | 'cert' | 'chain' | 'subject' | 'uri' | 'dns'

/**
 * Splits the value of an `X-Forwarded-Client-Cert` header into its elements, in one pass.
 *
 *     header  = element *( "," element )
 *     element = pair *( ";" pair )
 *     pair    = key "=" ( unquoted / quoted )          ; keys are case-insensitive
 *     unquoted = *( any character except , ; = and " )
 *     quoted  = DQUOTE *( any character except \ and DQUOTE / "\" any character ) DQUOTE
 *
 * Envoy separates without blanks. An unknown key, a second value for a key other than DNS, and an empty element are
 * refused: their meaning is unknown here.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
 */
export function splitXfcc(name: string, text: string): readonly XfccElement[] | MalformedClaim {
  const elements: XfccElement[] = []
  for (let at = 0; ;) {
    const start = at
    const values = new Map<XfccKey, string>()
    for (;;) {
      const pair = readPair(text, at)
      if (pair === undefined) return malformed(`${name}: found a pair that is not <known key>=<value>`)
      if (values.has(pair.key) && pair.key !== 'dns') return malformed(`${name}: found a second ${pair.key}`)
      if (pair.value.length > maxLength(pair.key)) return malformed(`${name}: found a ${pair.key} that is too long`)
      values.set(pair.key, pair.value)
      at = pair.end + 1
      if (text[pair.end] !== ';') break
    }
    elements.push({ start, values })
    if (elements.length > maxElements) return malformed(`${name}: found more than ${maxElements} elements`)
    if (at > text.length) return elements
  }
}

/** One for each proxy on the path. */
const maxElements = 16

/** The certificates have the limits of a chain; names are limited to 8 KiB. */
function maxLength(key: XfccKey): number {
  return key === 'cert' || key === 'chain' ? Infinity : 8192
}

interface Pair {
  readonly key: XfccKey
  readonly value: string
  /** The position of the separator after it, or the length of the text. */
  readonly end: number
}

function readPair(text: string, start: number): Pair | undefined {
  // The longest key is Subject.
  const equals = text.slice(start, start + 8).indexOf('=')
  const key = equals === -1 ? undefined : keys.get(text.slice(start, start + equals).toLowerCase())
  if (key === undefined) return undefined
  const at = start + equals + 1
  const value = text[at] === '"' ? readQuoted(text, at + 1) : readUnquoted(text, at)
  if (value === undefined || !isSeparator(text[value.end])) return undefined
  return { key, ...value }
}

const keys: ReadonlyMap<string, XfccKey> = new Map(
  (['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns'] as const).map((key) => [key, key]),
)

function isSeparator(character: string | undefined): boolean {
  return character === ';' || character === ',' || character === undefined
}

type Value = Omit<Pair, 'key'>

function readQuoted(text: string, start: number): Value | undefined {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '"') return { value: text.slice(start, at).replaceAll(/\\(.)/gs, '$1'), end: at + 1 }
    if (text[at] === '\\') at += 1
  }
  return undefined
}

function readUnquoted(text: string, start: number): Value | undefined {
  let end = start
  while (!isSeparator(text[end])) {
    if (text[end] === '"' || text[end] === '=') return undefined
    end += 1
  }
  return { value: text.slice(start, end), end }
}
