import type { TargetReason } from './target.ts'

/** One string that stands for a path, as far as a rule can match it. */
export interface PathSpelling {
  readonly path: string
  /** False when folding the case cannot change it, so that the usual path costs no folding. */
  readonly isFoldable: boolean
}

/** A path with percent-escapes, in all the forms in which a router or a handler may compare it. */
export interface DecodedPath {
  /** Decoded once. An encoded slash stays `%2F`, which no other text decodes to. */
  readonly path: string
  /**
   * With the escapes of reserved characters left, as find-my-way compares it; with those of all characters left that can
   * be sent as they are; and decoded twice.
   */
  readonly unneededKept: readonly PathSpelling[]
  /** These, and the path as received, which Express compares. */
  readonly allKept: readonly PathSpelling[]
  /** With its encoded slashes decoded, if it has any. */
  readonly slashDecoded: PathSpelling | undefined
}

/** Why a path has no form on which every parser agrees. */
export type EscapeRefusal = Extract<
  TargetReason,
  'bad_utf8' | 'dot_segment' | 'empty_segment' | 'edge_whitespace' | 'encoded_delimiter' | 'encoded_control'
>

/**
 * Decodes a path whose escapes are well-formed, or returns why it is refused: a segment that decodes to `.` or `..`, an
 * encoded slash beside a slash, whitespace at the beginning or the end of a segment, and everything that becomes a
 * delimiter, a dot or a control character when it is decoded a second time, as file handlers do.
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
  // Both at once would need a form for each combination, and nobody sends it.
  if (hasEncodedSlash && twice !== undefined) return 'encoded_delimiter'
  // As find-my-way does it: `%25` stays as well.
  const reserved = decodeURI(received.replaceAll('%25', '%2525'))
  const forms = [reserved, decodeNeeded(received), twice ?? path]
  return {
    path,
    unneededKept: spellOthers(path, forms),
    allKept: spellOthers(path, [...forms, received]),
    slashDecoded: hasEncodedSlash ? spell(whole) : undefined,
  }
}

// Parsers trim: behind a middleware engine `/admin%20` is `/admin` to Express. What `String.prototype.trim` removes.
function hasEdgeWhitespace(path: string): boolean {
  return /\/\s|\s(?:\/|$)/.test(path)
}

// Only what cannot be sent as it is: a space, and everything outside ASCII.
function decodeNeeded(received: string): string {
  return decodeURIComponent(received.replaceAll(/%(?=2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])/gi, '%25'))
}

function spellOthers(path: string, forms: readonly string[]): readonly PathSpelling[] {
  const others = new Set(forms)
  others.delete(path)
  return Object.freeze(Array.from(others, spell))
}

/** What a second decoding yields; undefined where it changes nothing. */
function decodeAgain(path: string): string | { readonly refused: EscapeRefusal } | undefined {
  // Escapes are all that is left of `%25`: `%` alone, or before anything else, stays what it is.
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
