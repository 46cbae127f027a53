import type { DecisionRequest } from '../decide.ts'
import type { PathSpelling } from '../escaped-path.ts'
import { foldTarget, otherSpellings, type PathSemantics } from '../path-semantics.ts'
import { type CompiledPolicy, describePolicy } from './compile-policy.ts'
import type { FieldTest, MatchOutcome } from './field-test.ts'
import { listSemantics } from './list-semantics.ts'

/** Whether a policy matches a request, for explanations and reports. */
export interface PolicyMatch {
  /** `unknown` if a value is not known: a DENY policy then denies, and an ALLOW policy does not allow. */
  readonly outcome: MatchOutcome
  /** The first field that does not match or is not known, such as `from[0].callers`. Undefined if all match. */
  readonly field: string | undefined
  readonly because: string
  /** The number of fields that do not match or are not known, in the closest entries. */
  readonly differences: number
}

/**
 * Compares a policy with a request, field by field. A DENY policy matches if it matches any form of the path that a router
 * or a handler may read, and an ALLOW policy if it matches every form that a router may compare.
 */
export function matchPolicy(policy: CompiledPolicy, request: DecisionRequest): PolicyMatch {
  const { target, semantics, otherSemantics } = request
  const isDeny = policy.action === 'DENY'
  const slashDecoded = isDeny ? target.decoded?.slashDecoded : undefined
  let decisive = matchForm(policy, request, target, semantics)
  for (const each of listSemantics(semantics, otherSemantics)) {
    for (const spelling of [target, ...otherSpellings(target, each), ...(slashDecoded ? [slashDecoded] : [])]) {
      const other = matchForm(policy, request, spelling, each)
      const isDecisive = isDeny ? rank(other) > rank(decisive) : rank(other) < rank(decisive)
      if (isDecisive) decisive = other
    }
  }
  return decisive
}

function rank({ outcome }: PolicyMatch): number {
  return ['no-match', 'unknown', 'match'].indexOf(outcome)
}

function matchForm(
  policy: CompiledPolicy,
  request: DecisionRequest,
  spelling: PathSpelling,
  semantics: PathSemantics,
): PolicyMatch {
  const { from, to, conditions } = policy.tests
  const path = foldTarget(spelling, semantics)
  const compare = (tests: readonly FieldTest[]): Difference => {
    const found = tests.map((test) => ({ test, outcome: test.test(request, path, semantics) }))
    const wrong = found.filter(({ outcome }) => outcome !== 'match')
    const certain = wrong.find(({ outcome }) => outcome === 'no-match')
    return { first: certain ?? wrong[0], count: wrong.length }
  }
  const parts = [
    findClosest(from?.map(({ tests }) => compare(tests))),
    findClosest(to?.map(({ tests }) => compare(tests))),
    compare(conditions),
  ]
  const wrong = parts.flatMap(({ first }) => (first === undefined ? [] : [first]))
  const first = wrong.find(({ outcome }) => outcome === 'no-match') ?? wrong[0]
  if (first === undefined) {
    return { outcome: 'match', field: undefined, because: `${describePolicy(policy)} matches`, differences: 0 }
  }
  return {
    outcome: first.outcome,
    field: first.test.field,
    because: first.test.describe(request, path),
    differences: parts.reduce((sum, { count }) => sum + count, 0),
  }
}

interface Difference {
  /** The first field that does not match; if there is none, the first that is not known. */
  readonly first: { readonly test: FieldTest; readonly outcome: MatchOutcome } | undefined
  readonly count: number
}

/** Returns the difference of the entry that matches best. The entries are alternatives. */
function findClosest(entries: readonly Difference[] | undefined): Difference {
  const [closest] = (entries ?? []).toSorted((one, other) => rankOf(one) - rankOf(other) || one.count - other.count)
  return closest ?? { first: undefined, count: 0 }
}

function rankOf({ first }: Difference): number {
  if (first === undefined) return 0
  return first.outcome === 'unknown' ? 1 : 2
}
