import { type PolicyFilesOptions, parsePolicyFiles } from './file-options.ts'
import { type DocumentSource, FollowedDocuments } from './followed-documents.ts'

/**
 * Loads rules and policies from documents, and follows their changes: a write, a rename, or the swap of a symbolic link
 * as in Kubernetes. All documents form one set that is replaced as a whole.
 *
 * A changed set is used once two reads half a second apart find the same content, because YAML that is cut off may be
 * valid. If a change is invalid, `onNotice` reports the reason once, and the last good set stays in use. The source does
 * not keep the process alive.
 *
 * @param location the path of a document or of a folder, or a list of paths
 * @example
 * const policies = await policyFiles('/etc/countersign/policies')
 * const guard = createGuard({ source, policies })
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`, saying what to write
 * @throws {SourceError} `file_missing`, `file_forbidden`, `file_unsuitable` or `files_unstable` for files that cannot
 * be read
 * @throws {PolicyDocumentError} `document_invalid` with all problems of all documents; `load_failed`
 */
export async function policyFiles(location: string | readonly string[] | PolicyFilesOptions): Promise<DocumentSource> {
  return FollowedDocuments.open(parsePolicyFiles(location))
}
