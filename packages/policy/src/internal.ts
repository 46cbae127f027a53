/**
 * Exported as `@countersign/policy/internal`: for the command line of Countersign, not for applications.
 *
 * @module @countersign/policy/internal
 */
export { mergeDocuments } from './document/merge-documents.ts'
export { readDocuments } from './files/read-documents.ts'
export { parsePolicyFiles } from './files/file-options.ts'
export { parseFile } from './worker/parse-files.ts'
export { LineIndex } from './yaml/line-index.ts'
export { readYaml } from './yaml/read-yaml.ts'
