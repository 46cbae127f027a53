import type { DecisionRequest } from '../decide.ts'
import type { PathSemantics } from '../path-semantics.ts'
import { CallerTree, findOnlyCaller } from './caller-tree.ts'
import type { CompiledPolicy } from './compile-policy.ts'
import type { FieldTest } from './field-test.ts'
import type { PrincipalKey } from './from-tests.ts'

/** A policy that an index found by caller and path, and the tests that remain. */
interface Candidate {
  readonly policy: CompiledPolicy
  // The functions themselves, because each object in between may cause a cache miss.
  readonly tests: readonly FieldTest['test'][]
}

/** A candidate for the callers that one of these keys names. Without keys, for every caller. */
export interface KeyedCandidate {
  readonly keys: readonly PrincipalKey[] | undefined
  /** For callers found by a key. */
  readonly candidate: Candidate
  /** For every caller; also tests the conditions that the keys represent. */
  readonly unkeyed: Candidate
}

/** The candidates for a path pattern. */
export interface Candidates {
  /** For every caller, in order. */
  readonly anyone: Candidate[]
  /**
   * The first candidates with keys, which are tested one by one. Undefined once there are many and keys are looked up.
   */
  few: KeyedCandidate[] | undefined
  /** For callers named in full, by SPIFFE ID. */
  named: Map<string, Candidate[]> | undefined
  /** For callers that a pattern matches. */
  callers: CallerTree<Candidate[]> | undefined
  /** For callers that have an authority. */
  holders: Map<string, Candidate[]> | undefined
  /** A list with only these candidates, created on demand. */
  alone: readonly Candidates[] | undefined
}

/** Creates an empty list of candidates. */
export function createCandidates(): Candidates {
  return { anyone: [], few: [], named: undefined, callers: undefined, holders: undefined, alone: undefined }
}

/** Adds a candidate. Candidates are added in the order of their policies. */
export function addCandidate(candidates: Candidates, added: KeyedCandidate): void {
  const { few } = candidates
  if (added.keys === undefined) candidates.anyone.push(added.unkeyed)
  else if (few === undefined) addKeys(candidates, added)
  else if (few.length < mostFew && added.keys.length <= mostFew) {
    few.push(added)
    candidates.anyone.push(added.unkeyed)
  } else {
    const kept = candidates.anyone.filter((candidate) => few.every(({ unkeyed }) => unkeyed !== candidate))
    candidates.anyone.splice(0, candidates.anyone.length, ...kept)
    candidates.few = undefined
    for (const each of [...few, added]) addKeys(candidates, each)
  }
}

// A few tests are cheaper than a lookup.
const mostFew = 3

function addKeys(candidates: Candidates, { keys = [], candidate }: KeyedCandidate): void {
  for (const key of keys) addKey(candidates, key, candidate)
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

/** Returns the first policy among candidates that matches, if it comes before `best`, and otherwise `best`. */
export type Pick = (
  best: CompiledPolicy | undefined,
  candidates: readonly Candidate[],
  request: DecisionRequest,
  path: string,
  semantics: PathSemantics,
) => CompiledPolicy | undefined

/** Returns the first policy that `pick` finds among the candidates for a caller. */
export function findFirst(
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

/** Picks a DENY policy. An unknown value counts as a match. */
export const pickDeny: Pick = (best, candidates, request, path, semantics) => {
  for (const { policy, tests } of candidates) {
    if (best !== undefined && policy.index >= best.index) return best
    let isMatch = true
    for (const test of tests) {
      isMatch = test(request, path, semantics) !== 'no-match'
      if (!isMatch) break
    }
    if (isMatch) return policy
  }
  return best
}

/** Picks an ALLOW policy. An unknown value counts as no match. */
export const pickAllow: Pick = (best, candidates, request, path, semantics) => {
  for (const { policy, tests } of candidates) {
    if (best !== undefined && policy.index >= best.index) return best
    let isMatch = true
    for (const test of tests) {
      isMatch = test(request, path, semantics) === 'match'
      if (!isMatch) break
    }
    if (isMatch) return policy
  }
  return best
}
