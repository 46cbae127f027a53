import { SourceError } from '@countersign/spiffe'

/** Refuses a message of the agent: what was held before stays. */
export function refuseMessage(finding: string): never {
  throw new SourceError('message_malformed', `the agent's message: ${finding}`)
}
