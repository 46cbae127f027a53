import type { Certificate, GeneralName, NameConstraints } from './certificate.ts'
import { quoteText } from './describe.ts'
import { checkName } from './subtrees.ts'

/**
 * The most comparisons of a name with a subtree for one path: far beyond any honest one, and it keeps an authority
 * that is bounded by constraints from making them expensive.
 */
export const maxNameComparisons: number = 1 << 14

/**
 * Applies the name constraints of every certificate of a path, leaf first and authority last, to every certificate
 * below it (RFC 5280 §4.2.1.10 and §6.1.3 b, c), critical or not. Gives the first violation in words, or undefined.
 *
 * A name that is constrained and that we cannot judge is a violation.
 */
export function findNameViolation(path: readonly Certificate[]): string | undefined {
  let comparisons = 0
  for (const [position, { nameConstraints, subject }] of path.entries()) {
    if (nameConstraints === undefined) continue
    for (const [depth, below] of path.slice(0, position).entries()) {
      // §6.1.3 b: a self-issued certificate is exempt unless it is the last of the path, the leaf.
      if (depth > 0 && below.selfIssued) continue
      const names = listNames(below, depth === 0)
      comparisons += names.length * (nameConstraints.permitted.length + nameConstraints.excluded.length)
      if (comparisons > maxNameComparisons) return 'more names and constraints than can be compared'
      const violation = names.map((name) => judge(name, nameConstraints)).find((verdict) => verdict !== undefined)
      if (violation !== undefined) return `${violation} by ${quoteText(subject.text)}`
    }
  }
  return undefined
}

/** Permitted subtrees bind only names of their own type, and one of them is enough; every excluded one binds. */
function judge(name: GeneralName, { permitted, excluded }: NameConstraints): string | undefined {
  const isExcluded = excluded.some((base) => checkName(name, base, 'excluded') !== 'outside')
  if (isExcluded) return `${describeName(name)} is excluded`
  const bases = permitted.filter((base) => base.type === name.type)
  const isPermitted = bases.length === 0 || bases.some((base) => checkName(name, base, 'permitted') === 'inside')
  return isPermitted ? undefined : `${describeName(name)} is not permitted`
}

/**
 * Every name that constraints speak of: the alternative names, the subject, its e-mail addresses, and the leaf's
 * common names where they look like host names. OpenSSL looks at those only beside no dNSName; here they can be what
 * authenticates the peer, so they are looked at always.
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
