import type { Certificate, GeneralName, NameConstraints } from './certificate.ts'
import { quoteText } from './describe.ts'
import { checkName } from './subtrees.ts'

/**
 * The maximum number of comparisons between names and subtrees for one path. Far more than any legitimate path needs.
 * It stops a constrained authority from making verification expensive.
 */
export const maxNameComparisons: number = 1 << 14

/**
 * Applies the name constraints of a path, leaf first and authority last (RFC 5280 §4.2.1.10 and §6.1.3 b, c). The
 * constraints of each certificate apply to every certificate below it, critical or not. Returns a description of the
 * first violation, or undefined.
 *
 * A constrained name that cannot be evaluated is a violation.
 */
export function findNameViolation(path: readonly Certificate[]): string | undefined {
  let comparisons = 0
  for (const [position, { nameConstraints, subject }] of path.entries()) {
    if (nameConstraints === undefined) continue
    for (const [depth, below] of path.slice(0, position).entries()) {
      // §6.1.3 b: a self-issued certificate is exempt unless it is the leaf.
      if (depth > 0 && below.selfIssued) continue
      const names = listNames(below, depth === 0)
      comparisons += names.length * (nameConstraints.permitted.length + nameConstraints.excluded.length)
      if (comparisons > maxNameComparisons) return 'there are too many names and constraints to compare'
      const violation = names.map((name) => judge(name, nameConstraints)).find((verdict) => verdict !== undefined)
      if (violation !== undefined) return `${violation} by ${quoteText(subject.text)}`
    }
  }
  return undefined
}

/**
 * Describes why a name violates the constraints, or returns undefined. Permitted subtrees apply only to names of their
 * own type, and one match is enough. Every excluded subtree applies.
 */
function judge(name: GeneralName, { permitted, excluded }: NameConstraints): string | undefined {
  const isExcluded = excluded.some((base) => checkName(name, base, 'excluded') !== 'outside')
  if (isExcluded) return `${describeName(name)} is excluded`
  const bases = permitted.filter((base) => base.type === name.type)
  const isPermitted = bases.length === 0 || bases.some((base) => checkName(name, base, 'permitted') === 'inside')
  return isPermitted ? undefined : `${describeName(name)} is not permitted`
}

/**
 * Returns every name that constraints apply to: the alternative names, the subject, its e-mail addresses, and the
 * leaf's common names that look like host names. OpenSSL checks those common names only if there is no dNSName. Here
 * they can authenticate the peer, so they are always checked.
 */
function listNames({ subject, subjectAlternativeName }: Certificate, isLeaf: boolean): readonly GeneralName[] {
  const hosts = isLeaf ? subject.commonNames.filter((text) => /^[\w-]+(?:\.[\w-]+)+$/.test(text)) : []
  return [
    ...(subjectAlternativeName?.names ?? []),
    ...(subject.relativeNames.length > 0 ? [{ type: 'directory', value: subject } as const] : []),
    ...subject.emailAddresses.map((value) => ({ type: 'email', value }) as const),
    ...hosts.map((value) => ({ type: 'dns', value }) as const),
  ]
}

function describeName({ type, value }: GeneralName): string {
  if (typeof value === 'string') return `the ${type} name ${quoteText(value)}`
  return 'text' in value ? `the name ${quoteText(value.text)}` : `the ${type} name 0x${value.toString('hex', 0, 32)}`
}
