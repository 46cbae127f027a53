import type { SegmentPattern } from './path-pattern.ts'
import type { CanonicalTarget } from './target.ts'

/**
 * How a router reads a path beyond the letter. Rules are read the same way, so that a path reaches the same rule as
 * the handler: `/ADMIN` is `/admin` to a router that ignores case.
 */
export interface Reading {
  /**
   * Which letters lose their case: `'ascii'` for Express, which compares the percent-encoded path, `'unicode'` for
   * Fastify, which decodes it first (to it the Kelvin sign is a `k`), or none.
   */
  readonly foldCase: false | 'ascii' | 'unicode'
  /** Whether `/a/` is `/a`. The path `/` stays what it is. */
  readonly foldTrailingSlash: boolean
}

/** The reading by the letter, which is Fastify's default. */
export const exactReading: Reading = Object.freeze({ foldCase: false, foldTrailingSlash: false })

/** The path of an accepted target as a router with this reading compares it. */
export function foldTarget(target: CanonicalTarget, reading: Reading): string {
  const path = target.mayFold ? foldCase(target.path, reading) : target.path
  return foldTrailingSlash(path, reading)
}

/** A pattern of paths, of a rule or a route, in the same reading. */
export function foldPattern(pattern: SegmentPattern, reading: Reading): SegmentPattern {
  return { path: foldTrailingSlash(foldCase(pattern.path, reading), reading), rest: pattern.rest }
}

/** A number from 0 to 5, equal for equal readings, under which to keep what was made for one. */
export function numberReading({ foldCase, foldTrailingSlash }: Reading): number {
  const folding = foldCase === false ? 0 : foldCase === 'ascii' ? 1 : 2
  return foldTrailingSlash ? folding + 3 : folding
}

function foldCase(path: string, reading: Reading): string {
  if (reading.foldCase === false) return path
  if (reading.foldCase === 'unicode') return path.toLowerCase()
  return path.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function foldTrailingSlash(path: string, reading: Reading): string {
  return reading.foldTrailingSlash && path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}
