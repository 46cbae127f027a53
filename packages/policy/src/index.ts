/**
 * Rules and policies as documents in YAML and JSON, loaded from files that can change while a service runs.
 *
 * @module @countersign/policy
 */
export { formatPolicyDocument, type FormatDocumentOptions } from './document/format-document.ts'
export { parsePolicyDocument, type ParseDocumentOptions } from './document/parse-document.ts'
export { describeProblem, type DocumentProblem, type ParsedDocument } from './policy-document.ts'
export { PolicyDocumentError, type PolicyErrorCode } from './document/policy-document-error.ts'
export {
  type PolicyWarning,
  type PolicyWarningCode,
  type PolicyWarningOptions,
  policyWarnings,
} from './document/policy-warnings.ts'
export type { DocumentSource } from './files/followed-documents.ts'
export type { PolicyFilesOptions } from './files/file-options.ts'
export { policyFiles } from './files/policy-files.ts'
