import type { DecisionRequest } from '../decide.ts'
import type { PathSemantics } from '../path-semantics.ts'

/** Whether a field matches a request. `unknown` if the value that it tests is not known. */
export type MatchOutcome = 'match' | 'no-match' | 'unknown'

/** The test of one field of a policy. Never throws and never waits. */
export interface FieldTest {
  /** The position within the policy, such as `from[0].callers`. */
  readonly field: string
  /** `path` is one form of the request's path, folded under these semantics. */
  readonly test: (request: DecisionRequest, path: string, semantics: PathSemantics) => MatchOutcome
  /** Describes the value found and the values expected, for a request that does not match. */
  readonly describe: (request: DecisionRequest, path: string) => string
}

/** Returns the outcome of the negative form of a field. */
export function negate(outcome: MatchOutcome): MatchOutcome {
  if (outcome === 'unknown') return outcome
  return outcome === 'match' ? 'no-match' : 'match'
}

/** Returns the outcome for a field whose value is known. */
export function outcomeOf(isMatch: boolean): MatchOutcome {
  return isMatch ? 'match' : 'no-match'
}

/** Lists values for a message; shortens a long list. */
export function listValues(values: readonly (string | number)[]): string {
  const shown = values.slice(0, 5).join(', ')
  return values.length > 5 ? `${shown} and ${values.length - 5} more` : shown
}
