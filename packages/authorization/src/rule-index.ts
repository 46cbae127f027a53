import type { SegmentPattern } from './path-pattern.ts'
import { BoundedCache, CacheMemory } from './bounded-cache.ts'
import { runAtOnce } from './in-turns.ts'

/** What an index needs of a rule. */
export interface IndexedRule {
  /** The rule's position: of the rules that match, the one with the smallest index decides. */
  readonly index: number
  /** Undefined means every method. */
  readonly methods: ReadonlySet<string> | undefined
}

/**
 * A tree of path segments, so that the cost of a lookup depends on the depth of the path and not on the number of
 * rules. If both `*` and a literal match, both branches are searched, unless every rule in a branch comes after the
 * best one found.
 */
export interface RuleIndex<Rule extends IndexedRule> {
  /** Returns the first rule for this path and method. */
  readonly find: (path: string, method: string) => Rule | undefined
  /**
   * Returns the first rule that contains every path of a pattern for this method; without a method, for all methods at
   * once.
   */
  readonly findContaining: (pattern: SegmentPattern, method: string | undefined) => Rule | undefined
}

/** Builds the index of rules whose patterns were folded under the same semantics. Paths are cached in `memory`. */
export function createRuleIndex<Rule extends IndexedRule>(
  rules: readonly Rule[],
  patternOf: (rule: Rule) => SegmentPattern,
  memory: CacheMemory = new CacheMemory(),
): RuleIndex<Rule> {
  return runAtOnce(buildRuleIndex(rules, patternOf, memory))
}

/** Builds the same index in steps, one for each rule. */
export function* buildRuleIndex<Rule extends IndexedRule>(
  rules: readonly Rule[],
  patternOf: (rule: Rule) => SegmentPattern,
  memory: CacheMemory,
): Generator<undefined, RuleIndex<Rule>> {
  const root = createNode<Rule>()
  for (const rule of rules) {
    insert(root, rule, patternOf(rule))
    yield
  }
  const found = new Map<string, BoundedCache<Rule | typeof nothing>>()
  return {
    find: (path, method) => {
      const recent = found.get(method)
      const known = recent?.find(path)
      if (known !== undefined) return known === nothing ? undefined : known
      const rule = walk(root, path, 1, false, method, undefined)
      const remembered = recent ?? (found.size < mostMethods ? new BoundedCache(memory) : undefined)
      if (remembered === undefined) return rule
      found.set(method, remembered)
      remembered.keep(path, () => rule ?? nothing)
      return rule
    },
    findContaining: ({ path, rest }, method) => walk(root, path, 1, rest, method, undefined),
  }
}

/** Requests only have known methods, but an explanation may be requested for any. */
const mostMethods = 64

// Cached to record that no rule matches.
const nothing: unique symbol = Symbol('nothing')

interface Node<Rule> {
  literals: Map<string, Node<Rule>> | undefined
  any: Node<Rule> | undefined
  /** Rules that match a path ending here. */
  readonly here: Methods<Rule>
  /** Rules that match everything from here on. */
  readonly below: Methods<Rule>
  /** The smallest index in this subtree, which is skipped if it cannot beat the best rule so far. */
  least: number
}

/** The first rule of each method among those with the same pattern. */
interface Methods<Rule> {
  every: Rule | undefined
  named: Map<string, Rule> | undefined
}

function createNode<Rule>(): Node<Rule> {
  return {
    literals: undefined,
    any: undefined,
    here: { every: undefined, named: undefined },
    below: { every: undefined, named: undefined },
    least: Number.POSITIVE_INFINITY,
  }
}

function insert<Rule extends IndexedRule>(root: Node<Rule>, rule: Rule, pattern: SegmentPattern): void {
  let node = root
  node.least = Math.min(node.least, rule.index)
  for (const segment of pattern.path.split('/').slice(1)) {
    node = descend(node, segment)
    node.least = Math.min(node.least, rule.index)
  }
  const slot = pattern.rest ? node.below : node.here
  if (rule.methods === undefined) {
    slot.every ??= rule
    return
  }
  slot.named ??= new Map()
  for (const method of rule.methods) {
    if (!slot.named.has(method)) slot.named.set(method, rule)
  }
}

function descend<Rule>(node: Node<Rule>, segment: string): Node<Rule> {
  if (segment === '*') return (node.any ??= createNode())
  node.literals ??= new Map()
  const known = node.literals.get(segment)
  if (known !== undefined) return known
  const created = createNode<Rule>()
  node.literals.set(segment, created)
  return created
}

// `start` is where the next segment starts; it is past the end of the path if there is none. Paths and patterns are
// walked alike: a literal never equals '*', so a '*' of a pattern is contained only in a '*' node, and a rest only in
// rules for everything below.
function walk<Rule extends IndexedRule>(
  node: Node<Rule>,
  path: string,
  start: number,
  rest: boolean,
  method: string | undefined,
  best: Rule | undefined,
): Rule | undefined {
  let first = pick(node.below, method, best)
  if (start > path.length) return rest ? first : pick(node.here, method, first)
  if (node.literals === undefined && node.any === undefined) return first
  const slash = path.indexOf('/', start)
  const end = slash === -1 ? path.length : slash
  const literal = node.literals?.get(path.slice(start, end))
  if (literal !== undefined && isBefore(literal, first)) first = walk(literal, path, end + 1, rest, method, first)
  if (node.any !== undefined && end > start && isBefore(node.any, first)) {
    first = walk(node.any, path, end + 1, rest, method, first)
  }
  return first
}

function isBefore<Rule extends IndexedRule>(node: Node<Rule>, best: Rule | undefined): boolean {
  return best === undefined || node.least < best.index
}

function pick<Rule extends IndexedRule>(
  { every, named }: Methods<Rule>,
  method: string | undefined,
  best: Rule | undefined,
): Rule | undefined {
  const first = every !== undefined && (best === undefined || every.index < best.index) ? every : best
  if (method === undefined || named === undefined) return first
  const own = named.get(method)
  return own !== undefined && (first === undefined || own.index < first.index) ? own : first
}
