import { PolicyDocumentError, describeProblem } from '@countersign/policy'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { reportFailure } from '../failure.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'

/**
 * Runs a command whose exit code 1 is an answer. Unusable input results in exit code 2, so that scripts can distinguish
 * "no" from "not known".
 */
export async function withInput(context: Context, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof PolicyDocumentError)) return reportFailure(error, context, exitCodes.usage)
    const { errors } = context
    if (error.problems.length === 0) return reportFailure(error, context, exitCodes.usage)
    for (const problem of error.problems) errors.line(escapeInvisible(describeProblem(problem)))
    return exitCodes.usage
  }
}
