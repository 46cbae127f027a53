import { type GuardSimulation, simulateGuard } from '@countersign/core'
import type { PolicyFlags } from './policy-options.ts'
import { parseService } from './policy-options.ts'
import { readDocuments } from './read-documents.ts'

/**
 * Simulates the guard of a service with these documents.
 *
 * @throws {ConfigurationError} if an option is not valid, or the guard would refuse to start
 * @throws {PolicyDocumentError} `document_invalid` with every problem
 */
export async function simulateService(documents: unknown, flags: PolicyFlags): Promise<GuardSimulation> {
  const service = await parseService(flags)
  return simulateGuard({ ...service, policies: await readDocuments(documents) })
}
