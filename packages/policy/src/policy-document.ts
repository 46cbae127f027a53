import type { Policy, Requirement, Rule } from '@countersign/authorization'
import { isRecord, refuseValue } from '@countersign/spiffe/options'

/** A document as it is written: the rules and policies of `createGuard`, as data. */
export interface PolicyDocument {
  /** The version of the format. */
  readonly version: 1
  /** Audit mode for every rule and policy of the document that has no `audit` of its own. */
  readonly audit?: { readonly until: string }
  readonly rules?: readonly DocumentRule[]
  readonly policies?: readonly DocumentPolicy[]
}

/** A rule as it is written. `custom` and `perRoute` exist only in code. */
type DocumentRule = Omit<Rule, 'allow' | 'declaredAt'> & { readonly allow: DocumentRequirement | readonly string[] }

type DocumentRequirement = Exclude<Requirement, { readonly custom: unknown } | { readonly perRoute: true }>

type DocumentPolicy = Omit<Policy, 'declaredAt'>

/** A problem of a document, with the place to fix. */
export interface DocumentProblem {
  /** The name of the document. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 code units. */
  readonly column: number
  /** The path of the field, such as `rules[3].allow.callers[0]`. Empty for the document itself. */
  readonly path: string
  readonly found: string
  /** The values allowed there. */
  readonly expected: string
  /** The known name nearest to a misspelled one. */
  readonly nearest?: string
}

/** The result of parsing a document. */
export interface ParsedDocument {
  /** The name of the document. */
  readonly name: string
  /** All problems, in the order of the document; at most 100. If there is one, `rules` and `policies` are empty. */
  readonly problems: readonly DocumentProblem[]
  /** Undefined if the document has none. */
  readonly rules: readonly Rule[] | undefined
  readonly policies: readonly Policy[]
}

/**
 * Returns a problem as one line: `billing.yaml:12:5: rules[0].alow: found …, expected …`.
 *
 * @throws {ConfigurationError} `option_invalid` if it is not a problem
 */
export function describeProblem(problem: DocumentProblem): string {
  if (!isRecord(problem) || typeof problem.file !== 'string') {
    refuseValue('describeProblem', problem, 'a problem of parsePolicyDocument()')
  }
  const { file, line, column, path, found, expected, nearest } = problem
  const where = path === '' ? '' : ` ${path}:`
  const suggestion = nearest === undefined ? '' : `; did you mean '${nearest}'?`
  return `${file}:${line}:${column}:${where} found ${found}, expected ${expected}${suggestion}`
}
