import type { PolicySet } from '@countersign/core'
import { policyFiles } from '@countersign/policy'

/**
 * Reads documents like a service does, so that a set that is valid here is valid there.
 *
 * @throws {PolicyDocumentError} `document_invalid` with every problem
 * @throws {SourceError} if a document cannot be read
 */
export async function readDocuments(paths: unknown): Promise<PolicySet> {
  const source = await policyFiles(Array.isArray(paths) ? paths.map(String) : [String(paths)])
  const { current } = source
  await source.close()
  return current
}
