import { CountersignError } from '@countersign/spiffe/id'
import { type DocumentProblem, describeProblem } from '../policy-document.ts'

/** Identifies why documents were not loaded. */
export type PolicyErrorCode = 'document_invalid' | 'load_failed'

/**
 * Reports documents that cannot be used. The `code` identifies the cause:
 *
 * - `document_invalid`: a document has problems, which `problems` lists, or the documents contradict each other.
 * - `load_failed`: the documents could not be parsed, because the worker that parses them failed.
 */
export class PolicyDocumentError extends CountersignError<PolicyErrorCode> {
  override readonly name: string = 'PolicyDocumentError'
  /** Every problem of every document. Empty for `load_failed`. */
  readonly problems: readonly DocumentProblem[]

  constructor(code: PolicyErrorCode, message: string, problems: readonly DocumentProblem[] = [], cause?: unknown) {
    super(code, message, { cause })
    this.problems = problems
  }
}

/** Returns the error for documents with these problems. The message lists the first ten. */
export function createDocumentError(problems: readonly DocumentProblem[]): PolicyDocumentError {
  const shown = problems.slice(0, mostShown).map(describeProblem)
  const rest = problems.length > mostShown ? [`and ${problems.length - mostShown} more`] : []
  return new PolicyDocumentError('document_invalid', [...shown, ...rest].join('\n'), problems)
}

const mostShown = 10
