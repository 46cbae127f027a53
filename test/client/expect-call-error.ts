import assert from 'node:assert/strict'
import { CallError, type CallErrorCode } from '@countersign/core'

/** What a `CallError` is expected to say; what is left out may be anything. */
export interface ExpectedError {
  readonly code: CallErrorCode
  readonly reason?: string
}

/** Asserts that a call fails with a `CallError`: rejected with, or the cause of what it is rejected with. */
export async function expectCallError(call: Promise<unknown>, expected: ExpectedError): Promise<CallError> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  assert.ok('error' in outcome, `expected ${expected.code}, but it was fulfilled`)
  const found = findCallError(outcome.error)
  const { code, reason = found.reason } = expected
  assert.deepEqual({ code: found.code, reason: found.reason }, { code, reason }, found.message)
  return found
}

/** The `CallError` that an error is or was caused by, however deep. */
export function findCallError(error: unknown): CallError {
  let found = error
  while (found instanceof Error && !(found instanceof CallError)) found = found.cause
  assert.ok(found instanceof CallError, `expected a CallError, found ${String(error)}`)
  return found
}
