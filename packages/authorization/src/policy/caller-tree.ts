import type { SpiffeId } from '@countersign/spiffe/id'
import { descend, type SegmentNode } from './segment-node.ts'

/** The callers of one trust domain that a pattern names. A `*` segment matches any one segment. */
export interface CallerKey {
  readonly trustDomain: string
  readonly segments: readonly string[]
  /** True if it includes every caller below. */
  readonly rest: boolean
}

/** Returns the SPIFFE ID of the only caller that a key names, or undefined if it names several. */
export function findOnlyCaller({ trustDomain, segments, rest }: CallerKey): string | undefined {
  return rest || segments.includes('*') ? undefined : `spiffe://${trustDomain}/${segments.join('/')}`
}

/** Returns the key of a parsed caller pattern. */
export function createCallerKey(pattern: string): CallerKey {
  const [trustDomain = '', ...segments] = pattern.slice('spiffe://'.length).split('/')
  if (segments.at(-1) !== '**') return { trustDomain, segments, rest: false }
  // `spiffe://a.example/**` does not match the ID of the trust domain itself, as with micromatch.
  return { trustDomain, segments: segments.length === 1 ? ['*'] : segments.slice(0, -1), rest: true }
}

/** Creates a test whether a caller matches one of these parsed patterns. */
export function createSegmentTest(patterns: readonly string[]): (caller: SpiffeId) => boolean {
  return createKeyTest(patterns.map(createCallerKey))
}

/** Creates a test whether a caller matches one of these keys. Keys without wildcards are looked up in a set. */
export function createKeyTest(keys: readonly CallerKey[]): (caller: SpiffeId) => boolean {
  const [only, ...more] = keys
  if (only !== undefined && more.length === 0) return (caller) => isNamedBy(only, caller)
  const ids = keys.map(findOnlyCaller)
  const names = new Set(ids)
  if (!names.has(undefined)) return (caller) => names.has(caller.toString())
  const tree = new CallerTree<true>()
  for (const [index, key] of keys.entries()) if (ids[index] === undefined) tree.add(key, () => true)
  return (caller) => names.has(caller.toString()) || tree.has(caller)
}

function isNamedBy({ trustDomain, segments, rest }: CallerKey, caller: SpiffeId): boolean {
  const found = caller.segments
  if (trustDomain !== caller.trustDomain || found.length < segments.length) return false
  if (found.length > segments.length && !rest) return false
  for (let index = 0; index < segments.length; index += 1) {
    const segment = segments[index]
    if (segment !== '*' && segment !== found[index]) return false
  }
  return true
}

/**
 * Maps caller patterns to values, segment by segment. The cost of a lookup does not depend on the number of patterns.
 */
export class CallerTree<Value> {
  readonly #domains = new Map<string, SegmentNode<Value>>()

  /** Returns the value of a pattern, and creates it if there is none yet. */
  add({ trustDomain, segments, rest }: CallerKey, create: () => Value): Value {
    let node = this.#domains.get(trustDomain)
    if (node === undefined) this.#domains.set(trustDomain, (node = {}))
    for (const segment of segments) node = descend(node, segment)
    return rest ? (node.below ??= create()) : (node.here ??= create())
  }

  /**
   * Reduces the values of all patterns that match a caller: `visit` receives the previous result and a value, and
   * returns the next result. It also receives the further arguments, so that it needs no closure.
   */
  fold<Result, One, Two, Three>(
    { trustDomain, segments }: SpiffeId,
    visit: Visit<Value, Result, One, Two, Three>,
    initial: Result,
    one: One,
    two: Two,
    three: Three,
  ): Result {
    const root = this.#domains.get(trustDomain)
    return root === undefined ? initial : walk(root, segments, 0, visit, initial, one, two, three)
  }

  /** Returns whether a pattern matches a caller. */
  has(caller: SpiffeId): boolean {
    return this.fold(caller, alwaysTrue, false, undefined, undefined, undefined)
  }
}

type Visit<Value, Result, One, Two, Three> = (result: Result, value: Value, one: One, two: Two, three: Three) => Result

const alwaysTrue = (): boolean => true

function walk<Value, Result, One, Two, Three>(
  node: SegmentNode<Value>,
  segments: readonly string[],
  depth: number,
  visit: Visit<Value, Result, One, Two, Three>,
  initial: Result,
  one: One,
  two: Two,
  three: Three,
): Result {
  let result = node.below === undefined ? initial : visit(initial, node.below, one, two, three)
  const segment = segments[depth]
  if (segment === undefined) return node.here === undefined ? result : visit(result, node.here, one, two, three)
  const literal = node.literals?.get(segment)
  if (literal !== undefined) result = walk(literal, segments, depth + 1, visit, result, one, two, three)
  if (node.any !== undefined) result = walk(node.any, segments, depth + 1, visit, result, one, two, three)
  return result
}
