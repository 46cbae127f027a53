import { CountersignError } from '@countersign/core'

/** Code and value of our own error. */
export function factsOf(error: unknown): readonly [code: string, value: unknown] {
  if (!(error instanceof CountersignError)) throw error
  return [String(error.code), error.value]
}
