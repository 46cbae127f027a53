import type { TargetReason } from './target.ts'

/** One form of a path, as far as a rule can match it. */
export interface PathSpelling {
  readonly path: string
  /** False if case folding cannot change it, so that most paths need no folding. */
  readonly isFoldable: boolean
}

/** A path with percent-escapes, in every form that a router or a handler may compare. */
export interface DecodedPath {
  /** Decoded once. An encoded slash stays `%2F`, which no other text decodes to. */
  readonly path: string
  /**
   * Three further forms: with escaped reserved characters kept, as find-my-way compares it; with every escape kept
   * whose character could be sent unescaped; and decoded twice.
   */
  readonly unneededKept: readonly PathSpelling[]
  /** Those forms, and the path as received, which Express compares. */
  readonly allKept: readonly PathSpelling[]
  /** The form with encoded slashes decoded, if there are any. */
  readonly slashDecoded: PathSpelling | undefined
}

/** Why a path has no form on which every parser agrees. */
export type EscapeRefusal = Extract<
  TargetReason,
  'bad_utf8' | 'dot_segment' | 'empty_segment' | 'edge_whitespace' | 'encoded_delimiter' | 'encoded_control'
>

/**
 * Decodes a path whose escapes are well-formed, or returns why it is refused:
 *
 * - a segment decodes to `.` or `..`
 * - an encoded slash is next to a slash
 * - a segment starts or ends with whitespace
 * - decoding a second time, as file handlers do, would yield a delimiter, a dot or a control character
 */
export function decodePath(received: string, hasEncodedSlash: boolean): DecodedPath | EscapeRefusal {
  try {
    return decode(received, hasEncodedSlash)
  } catch {
    return 'bad_utf8'
  }
}

function decode(received: string, hasEncodedSlash: boolean): DecodedPath | EscapeRefusal {
  const path = decodeURIComponent(hasEncodedSlash ? received.replaceAll(/%2f/gi, '%252F') : received)
  const whole = hasEncodedSlash ? decodeURIComponent(received) : path
  if (/\/\.\.?(?:\/|$)/.test(whole)) return 'dot_segment'
  if (hasEncodedSlash && (whole.includes('//') || path.endsWith('%2F'))) return 'empty_segment'
  const twice = decodeAgain(whole)
  if (typeof twice === 'object') return twice.refused
  if (hasEdgeWhitespace(whole) || (twice !== undefined && hasEdgeWhitespace(twice))) return 'edge_whitespace'
  // Both at once would need a form for each combination, and real clients do not send it.
  if (hasEncodedSlash && twice !== undefined) return 'encoded_delimiter'
  // As find-my-way does it: `%25` is kept as well.
  const reserved = decodeURI(received.replaceAll('%25', '%2525'))
  const forms = [reserved, decodeNeeded(received), twice ?? path]
  return {
    path,
    unneededKept: spellOthers(path, forms),
    allKept: spellOthers(path, [...forms, received]),
    slashDecoded: hasEncodedSlash ? spell(whole) : undefined,
  }
}

// Some parsers trim: behind a middleware engine, Express reads `/admin%20` as `/admin`. Matches what
// `String.prototype.trim` removes.
function hasEdgeWhitespace(path: string): boolean {
  return /\/\s|\s(?:\/|$)/.test(path)
}

// Decodes only what cannot be sent unescaped: a space, and everything outside ASCII.
function decodeNeeded(received: string): string {
  return decodeURIComponent(received.replaceAll(/%(?=2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])/gi, '%25'))
}

function spellOthers(path: string, forms: readonly string[]): readonly PathSpelling[] {
  const others = new Set(forms)
  others.delete(path)
  return Object.freeze(Array.from(others, spell))
}

/** Returns the result of a second decoding, or undefined if it changes nothing. */
function decodeAgain(path: string): string | { readonly refused: EscapeRefusal } | undefined {
  // Only what remains of `%25` can be an escape here; a `%` that does not start one is kept.
  const escapes = path.match(/%[0-9a-f]{2}/gi)
  if (escapes === null) return undefined
  for (const escape of escapes) {
    const byte = Number.parseInt(escape.slice(1), 16)
    if (byte < 0x20 || byte === 0x7f) return { refused: 'encoded_control' }
    if ('./\\;%'.includes(String.fromCharCode(byte))) return { refused: 'encoded_delimiter' }
  }
  return path.replaceAll(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent)
}

function spell(path: string): PathSpelling {
  return Object.freeze({ path, isFoldable: true })
}
