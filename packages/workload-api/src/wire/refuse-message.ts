import { SourceError } from '@countersign/core'

/** Refuses a message of the agent: what was held before stays. */
export function refuseMessage(finding: string): never {
  throw new SourceError('message_malformed', `the agent's message: ${finding}`)
}

/** Whether a value is an object whose fields can be read. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
