import assert from 'node:assert/strict'
import { type DocumentProblem, type ParsedDocument, parsePolicyDocument } from '@countersign/policy'

/** Parses a document named a.yaml. */
export function parse(text: string): ParsedDocument {
  return parsePolicyDocument(text, { name: 'a.yaml' })
}

/** Returns the only problem of a document. */
export function parseProblem(text: string): DocumentProblem {
  const { problems } = parse(text)
  assert.equal(problems.length, 1, JSON.stringify(problems))
  const [problem] = problems
  assert.ok(problem !== undefined)
  return problem
}

/** Returns the places and paths of all problems: `line:column path`. */
export function listPlaces(text: string): readonly string[] {
  return parse(text).problems.map(({ line, column, path }) => `${line}:${column} ${path}`)
}

/** A document with one rule, whose requirement is on line 4. */
export function withAllow(allow: string): string {
  return `version: 1\nrules:\n  - path: /a\n    allow: ${allow}\n`
}

/** A document with one policy, whose further lines begin on line 5. */
export function withPolicy(...lines: readonly string[]): string {
  return [
    'version: 1',
    'policies:',
    '  - name: first',
    '    action: DENY',
    ...lines.map((line) => `    ${line}`),
    '',
  ].join('\n')
}
