import { AgentError } from '@countersign/workload-api'
import { ConfigurationError } from '@countersign/spiffe'
import type { Context } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { escapeInvisible } from './output/escape-invisible.ts'

/** A failure to report to a person or a program. */
export interface Failure {
  readonly exitCode: number
  /** One line. */
  readonly message: string
  /** A code of Countersign's closed union, or Node's error code. */
  readonly code: string
  /** The agent's gRPC status, if it answered: `PERMISSION_DENIED`. */
  readonly grpcStatus?: string
  /** The address of the agent. */
  readonly endpoint?: string
}

/** Converts an error into one line and an exit code. Rethrows anything that is not a known failure. */
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

/** Prints a failure as one line on stderr and returns its exit code, or `exitCode` if passed. */
export function reportFailure(error: unknown, { errors }: Context, exitCode?: number): number {
  const failure = readFailure(error)
  errors.line(`${errors.colors.red('countersign:')} ${failure.message}`)
  return exitCode ?? failure.exitCode
}
