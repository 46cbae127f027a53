import { AgentError } from '@countersign/workload-api'
import { ConfigurationError } from '@countersign/spiffe'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { escapeInvisible } from './output/escape-invisible.ts'

/** A failure that is told to a person or to a program. */
export interface Failure {
  readonly exitCode: number
  /** One line. */
  readonly message: string
  /** From the closed union of Countersign's errors, or what Node calls it. */
  readonly code: string
  /** What the agent answered, where it did: `PERMISSION_DENIED`. */
  readonly grpcStatus?: string
  /** Where the agent was looked for. */
  readonly endpoint?: string
}

/** Turns what was thrown into one line and an exit code; what is no failure that we know of is thrown on. */
export function readFailure(error: unknown): Failure {
  if (!(error instanceof Error)) throw error
  const message = escapeInvisible(error.message)
  if (error instanceof AgentError) {
    const { code, grpcCode, endpoint } = error
    return { exitCode: exitCodes.failed, message, code, grpcStatus: grpcCode, endpoint }
  }
  if (error instanceof ConfigurationError) return { exitCode: exitCodes.usage, message, code: error.code }
  if ('code' in error && typeof error.code === 'string') {
    return { exitCode: exitCodes.failed, message, code: error.code }
  }
  throw error
}

/** Prints a failure as one line on stderr and gives its exit code, or the one that is known better here. */
export function reportFailure(error: unknown, { errors }: Context, exitCode?: number): number {
  const failure = readFailure(error)
  errors.line(`${errors.colors.red('countersign:')} ${failure.message}`)
  return exitCode ?? failure.exitCode
}
