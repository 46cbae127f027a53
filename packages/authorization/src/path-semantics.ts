import type { SegmentPattern } from './path-pattern.ts'
import type { PathSpelling } from './escaped-path.ts'
import type { Reparsing } from './reparsed-target.ts'
import type { CanonicalTarget } from './target.ts'

/**
 * How a router reads a path beyond exact matching. Rules are read the same, so that a path reaches the same rule as its
 * handler: `/ADMIN` is `/admin` to a router that ignores case.
 */
export interface PathSemantics {
  /**
   * Which letters are compared without case:
   *
   * - `'ascii'`: for Express, which compares the percent-encoded path.
   * - `'unicode'`: for Fastify, which decodes the path first, so that the Kelvin sign equals `k`.
   * - `'expression'`: for engines that compare the decoded path with a case-insensitive regular expression, so that `ς`
   * equals `σ` and the Kelvin sign does not equal `k`.
   * - false: none.
   */
  readonly foldCase: false | 'ascii' | 'unicode' | 'expression'
  /** True if `/a/` equals `/a`. The path `/` is not changed. */
  readonly foldTrailingSlash: boolean
  /**
   * Which percent-escapes the router may compare as received: only those of characters that can be sent unescaped, such
   * as `%40` and `%7E`, or all of them, as Express does. Default: all, which is safe for every router. The path is
   * decided in each of these forms and decoded, and denied if the decisions differ.
   */
  readonly comparesEscaped?: 'unneeded' | 'all'
  /**
   * Which part of a target the router decodes before an Express application below it reads the target: all of it, or
   * only what follows a mount path that was sent with escapes. A target that Express would cut in the wrong place is
   * denied. Default: none.
   */
  readonly decodesForExpress?: Reparsing
}

/** Exact matching, which is Fastify's default. */
export const exactSemantics: PathSemantics = Object.freeze({ foldCase: false, foldTrailingSlash: false })

/** Returns the path of an accepted target as a router with these semantics compares it. */
export function foldTarget(target: PathSpelling, semantics: PathSemantics): string {
  const path = target.isFoldable ? foldCase(target.path, semantics) : target.path
  return foldTrailingSlash(path, semantics)
}

/** Returns the forms that a router may compare instead of the decoded path of a target. */
export function otherSpellings(
  { decoded }: CanonicalTarget,
  { comparesEscaped }: PathSemantics,
): readonly PathSpelling[] {
  if (decoded === undefined) return none
  return comparesEscaped === 'unneeded' ? decoded.unneededKept : decoded.allKept
}

/** Returns whether an Express application behind this router may route another path than the one that was sent. */
export function isCutElsewhere({ reparsing }: CanonicalTarget, { decodesForExpress }: PathSemantics): boolean {
  if (reparsing === undefined || decodesForExpress === undefined) return false
  return decodesForExpress === 'all' || reparsing === 'belowEscapes'
}

const none: readonly PathSpelling[] = Object.freeze([])

/** Returns the pattern of a rule or route under the same semantics. */
export function foldPattern(pattern: SegmentPattern, semantics: PathSemantics): SegmentPattern {
  return { path: foldTrailingSlash(foldCase(pattern.path, semantics), semantics), rest: pattern.rest }
}

/** Returns a cache key that is equal for semantics with the same folding. */
export function semanticsKey({ foldCase, foldTrailingSlash }: PathSemantics): number {
  const folding = foldings.indexOf(foldCase)
  return foldTrailingSlash ? folding + foldings.length : folding
}

const foldings: readonly PathSemantics['foldCase'][] = [false, 'ascii', 'unicode', 'expression']

function foldCase(path: string, semantics: PathSemantics): string {
  if (semantics.foldCase === false) return path
  if (semantics.foldCase === 'unicode') return path.toLowerCase()
  const folded = path.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
  return semantics.foldCase === 'ascii' ? folded : folded.replaceAll(/[^\p{ASCII}]/gu, foldForExpression)
}

// Canonicalize (ECMA-262 §22.2.2.7.3) without the `u` flag: each code unit separately, and none becomes ASCII.
function foldForExpression(letter: string): string {
  const upper = letter.toUpperCase()
  return letter.length === 1 && upper.length === 1 && upper > '\x7f' ? upper : letter
}

function foldTrailingSlash(path: string, semantics: PathSemantics): string {
  return semantics.foldTrailingSlash && path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}
