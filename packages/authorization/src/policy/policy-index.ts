import { BoundedCache, type CacheMemory } from '../bounded-cache.ts'
import type { DecisionRequest } from '../decide.ts'
import type { SegmentPattern } from '../path-pattern.ts'
import { foldPattern, type PathSemantics } from '../path-semantics.ts'
import { CallerTree, findOnlyCaller } from './caller-tree.ts'
import type { CompiledPolicy } from './compile-policy.ts'
import { type FieldTest, type MatchOutcome, outcomeOf } from './field-test.ts'
import type { PrincipalKey } from './from-tests.ts'
import { PathTree } from './path-tree.ts'

/**
 * Finds the first policy of one action that matches a request, by its path and then by its caller, so that the cost does
 * not depend on the number of policies.
 */
export class PolicyIndex {
  readonly #paths: PathTree<Candidates>
  readonly #found: BoundedCache<readonly Candidates[]>
  readonly #semantics: PathSemantics
  readonly #isDeny: boolean

  /** Paths are cached in `memory`. */
  constructor(action: CompiledPolicy['action'], semantics: PathSemantics, memory: CacheMemory) {
    this.#isDeny = action === 'DENY'
    this.#paths = new PathTree(this.#isDeny)
    this.#found = new BoundedCache(memory)
    this.#semantics = semantics
  }

  /** Adds a policy. Policies are added in order, and before the first request. */
  add(policy: CompiledPolicy): void {
    for (const { patterns, keys, tests } of listCombinations(policy)) {
      const candidate: Candidate = { policy, tests }
      for (const pattern of patterns ?? [everything]) {
        const candidates = this.#paths.add(foldPattern(pattern, this.#semantics), createCandidates)
        if (keys === undefined) candidates.anyone.push(candidate)
        else for (const key of keys) addKey(candidates, key, candidate)
      }
    }
  }

  /** Returns the first policy that matches. `path` was folded under the semantics of this index. */
  find(request: DecisionRequest, path: string): CompiledPolicy | undefined {
    const all = this.#findCandidates(path)
    if (all.length === 0) return undefined
    const pick = this.#isDeny ? pickDeny : pickAllow
    let first: CompiledPolicy | undefined
    for (const candidates of all) {
      first = findFirst(candidates, pick, first, request, path, this.#semantics)
    }
    return first
  }

  #findCandidates(path: string): readonly Candidates[] {
    return this.#found.find(path) ?? this.#found.keep(path, (copy) => this.#paths.findAll(copy))
  }
}

const everything: SegmentPattern = Object.freeze({ path: '', rest: true })

/** A policy for the combinations of a caller and a path that an index looks up, and what else has to match. */
interface Candidate {
  readonly policy: CompiledPolicy
  readonly tests: readonly FieldTest[]
}

/** The candidates for a path. */
interface Candidates {
  /** For every caller. */
  readonly anyone: Candidate[]
  /** For callers named in full, by SPIFFE ID. */
  named: Map<string, Candidate[]> | undefined
  /** For callers that a pattern matches. */
  callers: CallerTree<Candidate[]> | undefined
  /** For callers that have an authority. */
  holders: Map<string, Candidate[]> | undefined
}

function createCandidates(): Candidates {
  return { anyone: [], named: undefined, callers: undefined, holders: undefined }
}

function addKey(candidates: Candidates, key: PrincipalKey, candidate: Candidate): void {
  if ('authority' in key) {
    addTo((candidates.holders ??= new Map<string, Candidate[]>()), key.authority, candidate)
    return
  }
  const only = findOnlyCaller(key)
  if (only === undefined) (candidates.callers ??= new CallerTree()).add(key, createList).push(candidate)
  else addTo((candidates.named ??= new Map<string, Candidate[]>()), only, candidate)
}

const createList = (): Candidate[] => []

function addTo(lists: Map<string, Candidate[]>, text: string, candidate: Candidate): void {
  const list = lists.get(text)
  if (list === undefined) lists.set(text, [candidate])
  else list.push(candidate)
}

type Pick = (
  best: CompiledPolicy | undefined,
  candidates: readonly Candidate[],
  request: DecisionRequest,
  path: string,
  semantics: PathSemantics,
) => CompiledPolicy | undefined

function findFirst(
  { anyone, named, callers, holders }: Candidates,
  pick: Pick,
  best: CompiledPolicy | undefined,
  request: DecisionRequest,
  path: string,
  semantics: PathSemantics,
): CompiledPolicy | undefined {
  const { principal } = request
  let first = pick(best, anyone, request, path, semantics)
  if (principal === null) return first
  const { spiffeId } = principal
  if (spiffeId !== undefined) {
    const list = named?.get(spiffeId.toString())
    if (list !== undefined) first = pick(first, list, request, path, semantics)
    if (callers !== undefined) first = callers.fold(spiffeId, pick, first, request, path, semantics)
  }
  if (holders === undefined) return first
  for (const authority of principal.authorities) {
    const list = holders.get(authority)
    if (list !== undefined) first = pick(first, list, request, path, semantics)
  }
  return first
}

// What is not known makes a DENY policy match, and an ALLOW policy not.
const pickDeny: Pick = (best, candidates, request, path, semantics) => {
  for (const { policy, tests } of candidates) {
    if (best !== undefined && policy.index >= best.index) return best
    if (matchAll(tests, request, path, semantics) !== 'no-match') return policy
  }
  return best
}

const pickAllow: Pick = (best, candidates, request, path, semantics) => {
  for (const { policy, tests } of candidates) {
    if (best !== undefined && policy.index >= best.index) return best
    if (matchAll(tests, request, path, semantics) === 'match') return policy
  }
  return best
}

interface Combination {
  readonly patterns: readonly SegmentPattern[] | undefined
  readonly keys: readonly PrincipalKey[] | undefined
  readonly tests: readonly FieldTest[]
}

// Each entry of `from` is combined with each of `to`. With very many combinations only one side is looked up, so that
// the index stays in proportion to the policies.
function listCombinations({ tests: { from = [any], to = [any], conditions } }: CompiledPolicy): readonly Combination[] {
  const keys = count(from.map((entry) => entry.keys))
  const patterns = count(to.map((entry) => entry.patterns))
  if (keys * patterns > mostCombinations) {
    return keys >= patterns
      ? from.map((entry) => ({
          patterns: undefined,
          keys: entry.keys,
          tests: [...entry.furtherTests, matchOne(to), ...conditions],
        }))
      : to.map((entry) => ({
          patterns: entry.patterns,
          keys: undefined,
          tests: [...entry.furtherTests, matchOne(from), ...conditions],
        }))
  }
  return from.flatMap((caller) =>
    to.map((operation) => ({
      patterns: operation.patterns,
      keys: caller.keys,
      tests: [...caller.furtherTests, ...operation.furtherTests, ...conditions],
    })),
  )
}

const mostCombinations = 1024
const any = { keys: undefined, patterns: undefined, tests: [], furtherTests: [] }

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

/** Returns the outcome of tests that all have to match. */
export function matchAll(
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
