import { SourceError } from '@countersign/spiffe'

/** Throws the error for an invalid message of the agent. The source keeps its previous material. */
export function refuseMessage(finding: string): never {
  throw new SourceError('message_malformed', `the agent's message: ${finding}`)
}
