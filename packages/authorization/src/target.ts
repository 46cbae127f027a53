import { type DecodedPath, decodePath, type PathSpelling } from './escaped-path.ts'
import { BoundedCache, CacheMemory } from './bounded-cache.ts'
import { findReparsing, type Reparsing } from './reparsed-target.ts'
import { isUriHost } from './uri-host.ts'

/** What is needed of a request to check that it is unambiguous. */
export interface TargetRequest {
  /** The method as received; HTTP methods are case-sensitive (RFC 9110 §9.1). */
  readonly method?: string | undefined
  /** The request target as received; on HTTP/2, the `:path`. */
  readonly url?: string | undefined
  /** 1 for HTTP/1.x. From 2 on, `:authority` replaces `Host`. */
  readonly httpVersionMajor: number
  /** Alternating names and values, as in Node's `rawHeaders`, the only place where a second `Host` is still visible. */
  readonly rawHeaders: readonly string[]
}

/**
 * Returns the target of a request if it is unambiguous, otherwise the reason why it is not. Results are cached only if
 * the caller is authenticated, so that unauthenticated clients cannot fill the memory.
 */
export type TargetParser = (request: TargetRequest, isAuthenticated?: boolean) => CanonicalTarget | TargetRefusal

/** A path whose segments are the same to every parser between the peer and the route handler. */
export interface CanonicalTarget extends PathSpelling {
  readonly accepted: true
  /**
   * The path without its query, decoded once. An encoded slash stays `%2F`, so splitting at slashes is still correct.
   */
  readonly path: string
  /** The other forms that a router or a handler may compare, if the path has escapes. */
  readonly decoded?: DecodedPath | undefined
  /** Set if Express would cut the target in the wrong place once that part of it is decoded. */
  readonly reparsing?: Reparsing | undefined
}

/** Why a request is ambiguous. Each is answered with 400. */
export type TargetReason =
  | 'not_origin_form'
  | 'fragment'
  | 'forbidden_character'
  | 'bad_percent_encoding'
  | 'encoded_delimiter'
  | 'encoded_control'
  | 'bad_utf8'
  | 'empty_segment'
  | 'dot_segment'
  | 'edge_whitespace'
  | 'unknown_method'
  | 'missing_host'
  | 'several_hosts'
  | 'bad_host'
  | 'authority_mismatch'

/** A request that is refused before its caller is considered. */
export interface TargetRefusal {
  readonly accepted: false
  readonly reason: TargetReason
  /** For the operator. Names positions and bytes, but never text of the request. */
  readonly detail: string
}

/** The methods that are known even if no rule names them (RFC 9110 §9.3, RFC 5789), without TRACE and CONNECT. */
export const commonMethods: readonly string[] = Object.freeze([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
])

/**
 * Creates the parser that accepts a request only if its method, path and host are unambiguous. Half of the known guard
 * bypasses come from a guard and a router that looked at different strings.
 *
 * @param knownMethods the accepted methods: `commonMethods` and those that a rule names
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function createTargetParser(knownMethods: ReadonlySet<string>): TargetParser {
  return createCachingParser(knownMethods, new CacheMemory())
}

/** Creates the parser; its cache uses `memory`. */
export function createCachingParser(knownMethods: ReadonlySet<string>, memory: CacheMemory): TargetParser {
  // Nearly every request has the same host as the previous one, and a path that was parsed before.
  let lastHost: string | undefined
  const targets = new BoundedCache<CanonicalTarget | TargetRefusal>(memory)
  return ({ method = '', url = '', httpVersionMajor, rawHeaders }, isAuthenticated = true) => {
    if (!knownMethods.has(method)) return refuse('unknown_method', 'found an unknown method that no rule names')
    const host = findHost(rawHeaders, httpVersionMajor)
    if (typeof host !== 'string') return host
    if (host !== lastHost) {
      if (!isUriHost(host))
        return refuse('bad_host', 'expected Host to be a host name or an address, with an optional port')
      if (isAuthenticated) lastHost = host
    }
    const known = targets.find(url)
    if (known !== undefined) return known
    const target = parsePath(url)
    // Targets with a query rarely recur, and escapes make an entry several times as large.
    const isKept = isAuthenticated && target.accepted && target.decoded === undefined && !url.includes('?')
    return isKept ? targets.keep(url, parsePath) : target
  }
}

/** Decodes the path of a target in origin form (RFC 9112 §3.2.1) once, or returns why its segments are ambiguous. */
export function parsePath(url: string): CanonicalTarget | TargetRefusal {
  if (url.charCodeAt(0) !== 0x2f) return refuse('not_origin_form', 'expected a target that begins with a slash')
  let isEscaped = false
  let hasEncodedSlash = false
  let isFoldable = false
  let start = 1
  let end = 1
  for (; end < url.length; end += 1) {
    const kind = kinds[url.charCodeAt(end)]
    if (kind === plain) continue
    if (kind === slash) {
      if (start === end) return refuse('empty_segment', `found two consecutive slashes at position ${start - 1}`)
      if (isDotSegment(url, start, end)) return refuse('dot_segment', `found a dot segment at position ${start}`)
      start = end + 1
    } else if (kind === upperCase) {
      isFoldable = true
    } else if (kind === percent) {
      const byte = readEscape(url, end)
      const reason = refuseByte(byte)
      if (reason !== undefined) return refuse(reason, `found an escape that is not allowed at position ${end}`)
      isEscaped = true
      if (byte === 0x2f) hasEncodedSlash = true
      end += 2
    } else if (kind === question) {
      break
    } else {
      return refuseCharacter(url, end)
    }
  }
  if (isDotSegment(url, start, end)) return refuse('dot_segment', `found a dot segment at position ${start}`)
  const refused = url.slice(end).search(forbiddenInQuery)
  if (refused !== -1) return refuseCharacter(url, end + refused)
  const path = end === url.length ? url : url.slice(0, end)
  const reparsing = isEscaped || end < url.length ? findReparsing(url) : undefined
  if (!isEscaped) return { accepted: true, path, isFoldable, reparsing }
  const decoded = decodePath(path, hasEncodedSlash)
  if (typeof decoded === 'string') return refuse(decoded, details[decoded])
  return { accepted: true, path: decoded.path, isFoldable: true, decoded, reparsing }
}

const details: Readonly<Record<Extract<ReturnType<typeof decodePath>, string>, string>> = {
  bad_utf8: 'found a path that is not UTF-8 when it is decoded once or twice',
  dot_segment: 'found an encoded dot segment',
  empty_segment: 'found an encoded slash next to another slash or at the end',
  encoded_delimiter: 'found an escape that decodes to another escape of a delimiter or a dot',
  encoded_control: 'found an escape that decodes to another escape of a control character',
  edge_whitespace: 'found encoded whitespace at the start or end of a segment',
}

// Raw whitespace makes some parsers read the path before the query differently. RFC 3986 allows only ASCII.
const forbiddenInQuery = /[^!-"$-~]/

const plain = 1
const slash = 2
const upperCase = 3
const percent = 4
const question = 5

// The meaning of each byte of the path. 0 is refused: control characters, space, '#', ';', '\' and everything outside
// ASCII.
const kinds = new Uint8Array(128)
for (let code = 0x21; code <= 0x7e; code += 1) kinds[code] = plain
for (let code = 0x41; code <= 0x5a; code += 1) kinds[code] = upperCase
for (const [text, kind] of [
  ['/', slash],
  ['%', percent],
  ['?', question],
  ['#', 0],
  [';', 0],
  ['\\', 0],
] as const) {
  kinds[text.charCodeAt(0)] = kind
}

function isDotSegment(url: string, start: number, end: number): boolean {
  if (url.charCodeAt(start) !== 0x2e) return false
  return end === start + 1 || (end === start + 2 && url.charCodeAt(start + 1) === 0x2e)
}

// Returns the byte, or -1 if two hexadecimal digits are missing.
function readEscape(url: string, index: number): number {
  const high = hexValue(url.charCodeAt(index + 1))
  const low = hexValue(url.charCodeAt(index + 2))
  return high === -1 || low === -1 ? -1 : high * 16 + low
}

// `%2F` is left to the rules, and what remains of `%25` is checked when the path is decoded.
function refuseByte(byte: number): TargetReason | undefined {
  if (byte === -1) return 'bad_percent_encoding'
  if (byte < 0x20 || byte === 0x7f) return 'encoded_control'
  return byte === 0x5c || byte === 0x3b ? 'encoded_delimiter' : undefined
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  if (code >= 0x61 && code <= 0x66) return code - 0x57
  return -1
}

function refuseCharacter(url: string, index: number): TargetRefusal {
  const code = url.charCodeAt(index)
  return refuse(code === 0x23 ? 'fragment' : 'forbidden_character', `found 0x${code.toString(16)} at position ${index}`)
}

// Node takes the first of several Host lines, but RFC 9112 §3.2 requires 400. HTTP/1.0 without Host is refused like
// 1.1.
function findHost(rawHeaders: readonly string[], httpVersionMajor: number): string | TargetRefusal {
  let host: string | undefined
  let count = 0
  let authority: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && isHost(name)) {
      host = rawHeaders[index + 1]
      count += 1
    } else if (httpVersionMajor >= 2 && name === ':authority') {
      authority = rawHeaders[index + 1]
    }
  }
  if (count > 1) return refuse('several_hosts', `found ${count} Host headers, expected one`)
  if (authority !== undefined && count === 1 && authority !== host) {
    return refuse('authority_mismatch', 'found an :authority that differs from Host')
  }
  return authority ?? host ?? refuse('missing_host', 'found no Host header')
}

function isHost(name: string): boolean {
  return name === 'Host' || name === 'host' || name.toLowerCase() === 'host'
}

function refuse(reason: TargetReason, detail: string): TargetRefusal {
  return { accepted: false, reason, detail }
}
