import { findNearest } from '@countersign/spiffe/options'
import type { DecisionRequest } from './decide.ts'
import type { SegmentPattern } from './path-pattern.ts'
import { foldPattern, foldTarget, type PathSemantics } from './path-semantics.ts'
import { type CompiledRule, describeRule } from './rule.ts'
import { createRuleIndex } from './rule-index.ts'

/** A rule that does not match a request but looks as if it was meant to. */
export interface NearMiss {
  /** The index of the rule. */
  readonly rule: number
  /** What differs: the method, the letter case, a trailing slash, or the spelling of one segment. */
  readonly differs: 'method' | 'case' | 'trailing_slash' | 'segment'
  readonly because: string
}

/** Returns the near misses among rules that did not match, in rule order, at most ten. */
export function findNearMisses(rules: readonly CompiledRule[], request: DecisionRequest): readonly NearMiss[] {
  const misses: NearMiss[] = []
  for (const rule of rules) {
    const miss = compare(rule, request)
    if (miss !== undefined) misses.push(miss)
    if (misses.length === most) break
  }
  return Object.freeze(misses)
}

const most = 10

function compare(rule: CompiledRule, request: DecisionRequest): NearMiss | undefined {
  const { method, semantics } = request
  const name = describeRule(rule)
  if (matches(rule, request, semantics)) {
    return { rule: rule.index, differs: 'method', because: `${name} matches the path, but not ${method}` }
  }
  if (matches(rule, request, { ...semantics, foldCase: 'unicode' })) {
    return { rule: rule.index, differs: 'case', because: `${name} differs only in upper and lower case` }
  }
  if (matches(rule, request, { ...semantics, foldTrailingSlash: true })) {
    return { rule: rule.index, differs: 'trailing_slash', because: `${name} differs only by a trailing slash` }
  }
  const spelling = findMisspelling(foldPattern(rule.pattern, semantics), foldTarget(request.target, semantics))
  if (spelling === undefined) return undefined
  return { rule: rule.index, differs: 'segment', because: `${name} has ${spelling}` }
}

function matches(rule: CompiledRule, { target, method }: DecisionRequest, semantics: PathSemantics): boolean {
  const index = createRuleIndex([{ index: 0, methods: undefined }], () => foldPattern(rule.pattern, semantics))
  return index.find(foldTarget(target, semantics), method) !== undefined
}

function findMisspelling(pattern: SegmentPattern, path: string): string | undefined {
  const wanted = pattern.path.split('/').slice(1)
  const found = path.split('/').slice(1)
  if (pattern.rest ? found.length < wanted.length : found.length !== wanted.length) return undefined
  const different = wanted.flatMap((segment, index) => {
    const other = found[index]
    return segment === '*' || segment === other || other === undefined ? [] : [[segment, other] as const]
  })
  const [only] = different
  if (only === undefined || different.length > 1) return undefined
  const [segment, other] = only
  return findNearest(other, [segment]) === undefined ? undefined : `'${segment}' where the path has '${other}'`
}
