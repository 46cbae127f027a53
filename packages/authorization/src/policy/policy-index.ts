import { BoundedCache, type CacheMemory } from '../bounded-cache.ts'
import type { DecisionRequest } from '../decide.ts'
import type { SegmentPattern } from '../path-pattern.ts'
import { foldPattern, type PathSemantics } from '../path-semantics.ts'
import { addCandidate, type Candidates, createCandidates, findFirst, pickAllow, pickDeny } from './candidates.ts'
import type { CompiledPolicy } from './compile-policy.ts'
import { type FieldTest, type MatchOutcome, outcomeOf } from './field-test.ts'
import type { PrincipalKey } from './from-tests.ts'
import { PathTree } from './path-tree.ts'

/** The kind of policy to find: a DENY policy, an ordinary ALLOW policy, or one for emergencies. */
export type PolicyKind = 'deny' | 'allow' | 'breakGlass'

/** Returns the kind of a policy. */
export function kindOf({ action, isBreakGlass }: CompiledPolicy): PolicyKind {
  if (action === 'DENY') return 'deny'
  return isBreakGlass ? 'breakGlass' : 'allow'
}

/**
 * Finds the first policy of a kind that matches a request. Looks up the path and then the caller, so the cost does not
 * depend on the number of policies.
 */
export class PolicyIndex {
  readonly #trees: Readonly<Record<PolicyKind, PathTree<Candidates>>> = {
    deny: new PathTree(true),
    allow: new PathTree(false),
    breakGlass: new PathTree(false),
  }
  // One cache for all kinds, because looking up the path is the most expensive part of a decision.
  readonly #found: BoundedCache<Found>
  readonly #semantics: PathSemantics
  #room = mostInAll

  /** Creates an empty index that caches paths in `memory`. */
  constructor(semantics: PathSemantics, memory: CacheMemory) {
    this.#found = new BoundedCache(memory)
    this.#semantics = semantics
  }

  /** Adds a policy. Add policies in order, and before the first request. */
  add(policy: CompiledPolicy): void {
    const tree = this.#trees[kindOf(policy)]
    for (const { patterns, keys, keyTests, tests } of this.#listCombinations(policy)) {
      const further = tests.map(({ test }) => test)
      const unkeyed = { policy, tests: [...keyTests.map(({ test }) => test), ...further] }
      const added = { keys, candidate: { policy, tests: further }, unkeyed }
      for (const pattern of patterns ?? [everything]) {
        addCandidate(tree.add(foldPattern(pattern, this.#semantics), createCandidates), added)
      }
    }
  }

  /** Returns the first policy of a kind that matches. `path` was folded under the semantics of this index. */
  find(kind: PolicyKind, request: DecisionRequest, path: string): CompiledPolicy | undefined {
    const found = this.#found.find(path) ?? this.#remember(path)
    const pick = kind === 'deny' ? pickDeny : pickAllow
    let first: CompiledPolicy | undefined
    for (const candidates of found[kind]) {
      first = findFirst(candidates, pick, first, request, path, this.#semantics)
    }
    return first
  }

  // A separate method: inlined into its caller, the closure would allocate a context for each request.
  #remember(path: string): Found {
    return this.#found.keep(path, (copy) => this.#search(copy), bytesOf)
  }

  #search(path: string): Found {
    const { deny, allow, breakGlass } = this.#trees
    return {
      deny: share(deny.findAll(path)),
      allow: share(allow.findAll(path)),
      breakGlass: share(breakGlass.findAll(path)),
    }
  }

  // Each entry of `from` is combined with each of `to`. With very many combinations, only one side is indexed, so that
  // the size of the index stays proportional to the policies.
  #listCombinations({ tests: { from = [any], to = [any], conditions } }: CompiledPolicy): readonly Combination[] {
    const keys = count(from.map((entry) => entry.keys))
    const patterns = count(to.map((entry) => entry.patterns))
    const isSmall = keys * patterns <= 2 * (keys + patterns)
    if (keys * patterns > mostCombinations || (!isSmall && keys * patterns > this.#room)) {
      return keys >= patterns
        ? from.map((entry) => ({
            patterns: undefined,
            keys: entry.keys,
            keyTests: entry.keyTests,
            tests: [...entry.furtherTests, matchOne(to), ...conditions],
          }))
        : to.map((entry) => ({
            patterns: entry.patterns,
            keys: undefined,
            keyTests: [],
            tests: [...entry.furtherTests, matchOne(from), ...conditions],
          }))
    }
    if (!isSmall) this.#room -= keys * patterns
    return from.flatMap((caller) =>
      to.map((operation) => ({
        patterns: operation.patterns,
        keys: caller.keys,
        keyTests: caller.keyTests,
        tests: [...caller.furtherTests, ...operation.furtherTests, ...conditions],
      })),
    )
  }
}

/** The candidates of each kind for a path. */
type Found = Readonly<Record<PolicyKind, readonly Candidates[]>>

// Nearly every path has at most one pattern of each kind, so its lists can be shared with other paths.
function share(found: readonly Candidates[]): readonly Candidates[] {
  const [only, ...more] = found
  if (only === undefined) return none
  return more.length === 0 ? (only.alone ??= [only]) : [...found]
}

const none: readonly Candidates[] = []

/** Returns the size of an object with three fields, and of each list that is not shared. */
function bytesOf({ deny, allow, breakGlass }: Found): number {
  return 48 + sizeOfList(deny) + sizeOfList(allow) + sizeOfList(breakGlass)
}

function sizeOfList({ length }: readonly Candidates[]): number {
  return length < 2 ? 0 : 64 + 8 * length
}

const everything: SegmentPattern = Object.freeze({ path: '', rest: true })

interface Combination {
  readonly patterns: readonly SegmentPattern[] | undefined
  readonly keys: readonly PrincipalKey[] | undefined
  /** The conditions that the keys represent. */
  readonly keyTests: readonly FieldTest[]
  readonly tests: readonly FieldTest[]
}

/** The limit for one policy. */
const mostCombinations = 1024
/** The limit for all policies together, except small ones. Each combination takes about 150 bytes. */
const mostInAll = 200_000

const any = { keys: undefined, keyTests: [], patterns: undefined, tests: [], furtherTests: [] }

function count(lists: readonly (readonly unknown[] | undefined)[]): number {
  return lists.reduce((sum, list) => sum + (list?.length ?? 1), 0)
}

function matchOne(entries: readonly { readonly tests: readonly FieldTest[] }[]): FieldTest {
  return {
    field: '',
    test: (request, path, semantics) => {
      let best: MatchOutcome = 'no-match'
      for (const { tests } of entries) {
        const outcome = matchAll(tests, request, path, semantics)
        if (outcome === 'match') return outcome
        if (outcome === 'unknown') best = outcome
      }
      return best
    },
    describe: () => '',
  }
}

function matchAll(
  tests: readonly FieldTest[],
  request: DecisionRequest,
  path: string,
  semantics: PathSemantics,
): MatchOutcome {
  let isKnown = true
  for (const { test } of tests) {
    const outcome = test(request, path, semantics)
    if (outcome === 'no-match') return outcome
    if (outcome === 'unknown') isKnown = false
  }
  return isKnown ? outcomeOf(true) : 'unknown'
}
