import { mergeDocuments, type MergedDocuments } from '../document/merge-documents.ts'
import { parsePolicyDocument } from '../document/parse-document.ts'
import type { ParsedDocument } from '../policy-document.ts'
import type { WorkerFile, WorkerInput } from './messages.ts'

/** Parses all files of a set. */
export function parseFiles({ files }: WorkerInput): MergedDocuments {
  return mergeDocuments(files.map(parseFile))
}

/** Parses the bytes of a file. */
export function parseFile({ name, bytes }: WorkerFile): ParsedDocument {
  const text = decodeText(bytes)
  if (text !== undefined) return parsePolicyDocument(text, { name })
  const problem = {
    file: name,
    line: 1,
    column: 1,
    path: '',
    found: 'bytes that are not UTF-8',
    expected: 'text in UTF-8',
  }
  return { name, problems: [problem], rules: undefined, policies: [] }
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
