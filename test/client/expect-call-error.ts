import assert from 'node:assert/strict'
import { CallError, type CallErrorCode } from '@countersign/core'

/** The expected properties of a `CallError`; omitted ones may have any value. */
export interface ExpectedError {
  readonly code: CallErrorCode
  readonly reason?: string
}

/** Asserts that a call fails with a `CallError`, which is the rejection or one of its causes. */
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

/** Returns the `CallError` in an error's chain of causes. */
export function findCallError(error: unknown): CallError {
  let found = error
  while (found instanceof Error && !(found instanceof CallError)) found = found.cause
  assert.ok(found instanceof CallError, `expected a CallError, found ${String(error)}`)
  return found
}
