import { ConfigurationError } from '@countersign/spiffe/id'
import { type CallerSet, intersect as intersectSets } from '../possible-callers.ts'

/*
 * Patterns of callers and of paths have the same form, a `CallerSet`. For paths the trust domain is empty.
 */

/** Returns whether a set has one member, so that it needs no example. */
export function isLiteral({ segments, rest }: CallerSet): boolean {
  return !rest && !segments.includes(undefined)
}

/** Returns the text of a set's path: `/ns/production/sa/*`. */
export function formatPath({ segments, rest }: CallerSet): string {
  return [...segments.map((segment) => `/${segment ?? '*'}`), ...(rest ? ['/**'] : [])].join('')
}

/**
 * Returns the sets without duplicates, and the intersection of each two of them. Members that match two wildcards in
 * different places may be decided differently from the others. The more specific sets come first.
 *
 * @throws {ConfigurationError} `option_invalid` if there are too many, because an omitted set would have no cell
 */
export function closeSets(sets: Iterable<CallerSet>): readonly CallerSet[] {
  const known = new Map<string, CallerSet>()
  for (const set of sets) known.set(keyOf(set), set)
  const wildcards = [...known.values()].filter((set) => !isLiteral(set))
  const mostWildcards = wildcards.length + mostAdded
  // The list grows during the iteration.
  for (const [index, one] of wildcards.entries()) {
    if (wildcards.length > mostWildcards) refuseTooMany()
    for (const other of wildcards.slice(0, index)) {
      const both = intersect(one, other)
      if (both === undefined || known.has(keyOf(both))) continue
      known.set(keyOf(both), both)
      if (!isLiteral(both)) wildcards.push(both)
    }
  }
  return [...known.values()].toSorted(compareSpecificity)
}

/** A limit, because intersections of intersections can multiply. */
const mostAdded = 2000

function refuseTooMany(): never {
  throw new ConfigurationError(
    'option_invalid',
    `accessMatrix: found wildcards that overlap in over ${mostAdded} places, expected fewer; list the routes of interest, or write patterns with fewer wildcards`,
  )
}

/**
 * Returns a member of a set that is in none of the more specific sets, or undefined if they cover it. Wildcards become
 * `unseen`, a segment that occurs nowhere.
 *
 * @param preferred segments to try first instead of the rest
 */
export function pickExample(
  set: CallerSet,
  sets: readonly CallerSet[],
  unseen: string,
  preferred: readonly (readonly string[])[] = [],
): readonly string[] | undefined {
  const base = set.segments.map((segment) => segment ?? unseen)
  if (isLiteral(set)) return base
  const inner = sets.filter((other) => other !== set && isWithin(other, set))
  const deepest = Math.max(0, ...inner.map(({ segments }) => segments.length)) + 1
  const deeper = Array.from({ length: Math.max(1, deepest - base.length) }, (_, index) =>
    Array.from({ length: index + 1 }, () => unseen),
  )
  // Only paths may end with a slash.
  const slash = set.trustDomain === '' ? [['']] : []
  const endings = set.rest ? [...preferred, ...deeper.slice(0, 1), [], ...deeper.slice(1), ...slash] : [[]]
  // The path `/` has one empty segment.
  const candidates = endings.map((ending) => (base.length + ending.length === 0 ? [''] : [...base, ...ending]))
  return candidates.find((segments) => {
    const literal = { trustDomain: set.trustDomain, segments, rest: false }
    return !inner.some((other) => intersect(other, literal) !== undefined)
  })
}

/**
 * Returns the intersection of two sets, or undefined if it is empty. No wildcard matches the empty last segment of a
 * path that ends with a slash.
 */
export function intersect(one: CallerSet, other: CallerSet): CallerSet | undefined {
  const both = intersectSets(one, other)
  const isEmpty = both?.segments.some(
    (segment, index) =>
      segment === '' && [one, other].some(({ segments }) => index < segments.length && segments[index] === undefined),
  )
  return isEmpty === true ? undefined : both
}

function isWithin(inner: CallerSet, outer: CallerSet): boolean {
  const both = intersect(inner, outer)
  return both !== undefined && keyOf(both) === keyOf(inner)
}

function keyOf(set: CallerSet): string {
  return `${set.trustDomain}${formatPath(set)}`
}

/** Orders a set before every set that contains it. */
export function compareSpecificity(one: CallerSet, other: CallerSet): number {
  if (one.trustDomain !== other.trustDomain) return one.trustDomain < other.trustDomain ? -1 : 1
  const length = Math.max(one.segments.length, other.segments.length)
  for (let index = 0; index < length; index += 1) {
    const ranks = [one, other].map((set) => rankOf(set, index))
    const [first = 0, second = 0] = ranks
    if (first !== second) return first - second
    const [left = '', right = ''] = [one.segments[index], other.segments[index]]
    if (left !== right) return left < right ? -1 : 1
  }
  return Number(one.rest) - Number(other.rest)
}

// From specific to general: a segment, no segment, any segment, any number of segments.
function rankOf({ segments, rest }: CallerSet, index: number): number {
  if (index >= segments.length) return rest ? 3 : 1
  return segments[index] === undefined ? 2 : 0
}
