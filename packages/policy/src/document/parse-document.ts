import type { Policy, Rule } from '@countersign/authorization'
import { parseOptions, refuseValue } from '@countersign/spiffe/options'
import { findFaults, isDocument } from '../schema/find-faults.ts'
import { LineIndex } from '../yaml/line-index.ts'
import { readYaml, type PathStep } from '../yaml/read-yaml.ts'
import { checkEntries } from './check-entries.ts'
import type { DocumentProblem, ParsedDocument, PolicyDocument } from '../policy-document.ts'

/** Options of `parsePolicyDocument`. */
export interface ParseDocumentOptions {
  /** The name of the document in problems and in `declaredAt`, such as `billing.yaml`. */
  readonly name: string
}

/**
 * Parses a document in YAML or JSON, and reports all its problems. For tools: a service uses `policyFiles`, which
 * parses outside of the event loop.
 *
 * @example
 * const { problems, policies } = parsePolicyDocument(text, { name: 'billing.yaml' })
 * for (const problem of problems) console.error(describeProblem(problem))
 * @throws {ConfigurationError} `option_invalid` if an argument is not text; problems of the document are returned
 */
export function parsePolicyDocument(text: string, options: ParseDocumentOptions): ParsedDocument {
  if (typeof text !== 'string') refuseValue('parsePolicyDocument: text', text, 'the text of a document')
  const { name } = parseOptions(options, ['name'], 'parsePolicyDocument')
  if (typeof name !== 'string') refuseValue('parsePolicyDocument: name', name, 'the name of the document')
  if (text.length > mostLength) {
    return refuse(name, [{ ...start(name), found: `${text.length} characters`, expected: `at most ${mostLength}` }])
  }
  const { value, faults, locate } = readYaml(text)
  const lines = new LineIndex(text)
  const place = (offset: number): Pick<DocumentProblem, 'file' | 'line' | 'column'> => ({
    file: name,
    ...lines.placeOf(offset),
  })
  if (faults.length > 0) {
    const problems = faults.map(({ offset, path, found, expected }) => ({
      ...place(offset),
      path: describePath(path),
      found: toOneLine(found),
      expected,
    }))
    return refuse(name, problems)
  }
  const differences = findFaults(value)
  const found = [...differences, ...checkEntries(value, differences)]
  if (found.length > 0 || !isDocument(value)) {
    const problems = found.slice(0, mostProblems).map(({ path, part, ...fault }) => ({
      ...place(locate(path, part)),
      path: describePath(path),
      ...fault,
      found: toOneLine(fault.found),
      expected: toOneLine(fault.expected),
    }))
    return refuse(name, problems)
  }
  const declare = (list: string, index: number): string => {
    const { line, column } = lines.placeOf(locate([list, index]))
    return `${name}:${line}:${column}`
  }
  return accept(name, value, declare)
}

/** The size limit of a file: UTF-8 text has no more characters than bytes. */
const mostLength = 16 * 2 ** 20

/** A document with more problems is usually not a policy document. */
const mostProblems = 100

/** Adds the place where it was written, and the audit mode of the document, to every rule and policy. */
function accept(
  name: string,
  { audit, rules, policies = [] }: PolicyDocument,
  declare: (list: string, index: number) => string,
): ParsedDocument {
  const inherited = audit === undefined ? {} : { audit }
  return {
    name,
    problems: [],
    rules: rules?.map((rule, index): Rule => ({ ...inherited, ...rule, declaredAt: declare('rules', index) })),
    policies: policies.map((policy, index): Policy => ({
      ...inherited,
      ...policy,
      declaredAt: declare('policies', index),
    })),
  }
}

function refuse(name: string, problems: readonly DocumentProblem[]): ParsedDocument {
  const sorted = problems.toSorted((one, other) => one.line - other.line || one.column - other.column)
  return { name, problems: sorted, rules: undefined, policies: [] }
}

function start(name: string): Pick<DocumentProblem, 'file' | 'line' | 'column' | 'path'> {
  return { file: name, line: 1, column: 1, path: '' }
}

/** Returns a path in the form of error messages about rules in code: `rules[3].allow.callers[0]`. */
function describePath(path: readonly PathStep[]): string {
  const steps = path.map((step, index) => {
    if (typeof step === 'number') return `[${step}]`
    const name = step.length > mostOfName ? `${step.slice(0, mostOfName - 1)}…` : step
    return `${index === 0 ? '' : '.'}${name}`
  })
  return toOneLine(steps.join(''))
}

const mostOfName = 80

// Logs and events contain problems. Text from a document must not forge a line there or flood them.
function toOneLine(text: string): string {
  const short = text.length > mostOfText ? `${text.slice(0, mostOfText - 1)}…` : text
  return short.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD')
}

/** Longer than any message without its value. */
const mostOfText = 400
