import type { Policy, PolicySet, Requirement, Rule } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe/id'
import { parseOptions, refuseValue } from '@countersign/spiffe/options'
import { writeYaml } from '../yaml/write-yaml.ts'
import { parsePolicyDocument } from './parse-document.ts'
import { createDocumentError } from './policy-document-error.ts'

/** Options of `formatPolicyDocument`. */
export interface FormatDocumentOptions {
  /** The path or URL of the schema, for a first line that editors read. Default: no such line. */
  readonly schema?: string
}

/**
 * Returns a document in YAML with these rules and policies. Parsing it returns the same rules and policies.
 *
 * @example
 * await writeFile('policies.yaml', formatPolicyDocument({ rules }))
 * @throws {ConfigurationError} `rule_invalid` for `custom()` and `perRoute()`, which exist only in code
 * @throws {PolicyDocumentError} `document_invalid` if a rule or a policy is invalid
 */
export function formatPolicyDocument(
  set: Pick<PolicySet, 'rules' | 'policies'>,
  { schema }: FormatDocumentOptions = {},
): string {
  parseOptions(set, ['rules', 'policies', 'revision'], 'formatPolicyDocument')
  const { rules, policies } = set
  for (const [name, list] of Object.entries({ rules, policies })) {
    if (list !== undefined && !Array.isArray(list)) refuseValue(`formatPolicyDocument: ${name}`, list, 'a list')
  }
  for (const [index, { allow }] of (rules ?? []).entries()) refuseCode(allow, `rules[${index}].allow`)
  const document = {
    version: 1,
    ...(rules !== undefined && { rules: rules.map(withoutPlace) }),
    ...(policies !== undefined && { policies: policies.map(withoutPlace) }),
  }
  if (schema !== undefined && /[\p{Cc}\s]/u.test(schema)) refuseValue('schema', schema, 'a path or URL without spaces')
  const heading = schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`
  const text = heading + writeYaml(document)
  const { problems } = parsePolicyDocument(text, { name: 'document' })
  if (problems.length > 0) throw createDocumentError(problems)
  return text
}

function withoutPlace(entry: Rule | Policy): object {
  return Object.fromEntries(Object.entries(entry).filter(([name]) => name !== 'declaredAt'))
}

function refuseCode(requirement: Requirement | readonly string[], where: string): void {
  if ('custom' in requirement) refuse(where, `custom('${requirement.custom.name}')`)
  if ('perRoute' in requirement) refuse(where, 'perRoute()')
  const parts = 'allOf' in requirement ? requirement.allOf : 'anyOf' in requirement ? requirement.anyOf : []
  for (const [index, part] of parts.entries())
    refuseCode(part, `${where}.${'allOf' in requirement ? 'allOf' : 'anyOf'}[${index}]`)
}

function refuse(where: string, found: string): never {
  const message = `${where}: found ${found}, expected a requirement that is data; keep the rules that need it in code`
  throw new ConfigurationError('rule_invalid', message)
}
