import { ConfigurationError } from '@countersign/spiffe/id'
import { describeValue, findNearest } from '@countersign/spiffe/options'
import { type CallerSet, intersect, type PossibleCallers } from './possible-callers.ts'
import { parseCallerPattern } from './pattern.ts'
import type { CredentialKind } from './principal.ts'
import type { Requirement } from './requirement.ts'

/**
 * Refuses a requirement that no caller of a guard can meet, or that has such a part: a trust domain whose callers are
 * not accepted, an authority that nothing grants, parts of `allOf()` that exclude each other. Such a mistake would
 * otherwise only show when a caller is denied. `denyAll()` denies on purpose, and `custom()` may accept any caller.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseUnmeetable(requirement: Requirement, callers: PossibleCallers, where: string): void {
  findMeeting(requirement, { callers, where })
}

/**
 * Refuses a single value of a policy that no caller of a guard has.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseImpossible(kind: CallerKind, value: string, callers: PossibleCallers, where: string): void {
  finders[kind](value, { callers, where })
}

/**
 * Refuses a list of credentials by none of which a caller can be proven.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseImpossibleCredentials(
  kinds: readonly CredentialKind[],
  callers: PossibleCallers,
  where: string,
): void {
  findProven(kinds, { callers, where })
}

/** A field of a policy that names callers. */
export type CallerKind = 'callers' | 'serviceAccounts' | 'namespaces' | 'trustDomains' | 'authorities'

interface Place {
  readonly callers: PossibleCallers
  readonly where: string
}

/** Returns the callers that can meet a requirement; there is at least one. */
function findMeeting(requirement: Requirement, { callers, where }: Place): readonly CallerSet[] {
  const at = (part: string): Place => ({ callers, where: `${where}.${part}` })
  const each = <Part>(kind: string, parts: readonly Part[], find: Find<Part>): readonly (readonly CallerSet[])[] =>
    parts.map((part, index) => find(part, at(`${kind}[${index}]`)))
  if ('hasAuthority' in requirement) return findHolders(requirement.hasAuthority, at('hasAuthority'))
  if ('hasAnyAuthority' in requirement) {
    return each('hasAnyAuthority', requirement.hasAnyAuthority, findHolders).flat()
  }
  if ('hasAllAuthorities' in requirement) {
    return findCommon(each('hasAllAuthorities', requirement.hasAllAuthorities, findHolders), at('hasAllAuthorities'))
  }
  if ('allOf' in requirement) return findCommon(each('allOf', requirement.allOf, findMeeting), at('allOf'))
  if ('anyOf' in requirement) return each('anyOf', requirement.anyOf, findMeeting).flat()
  if ('callers' in requirement) return each('callers', requirement.callers, findFitting).flat()
  if ('inTrustDomain' in requirement) return each('inTrustDomain', requirement.inTrustDomain, findMembers).flat()
  if ('serviceAccounts' in requirement) return each('serviceAccounts', requirement.serviceAccounts, findLocal).flat()
  if ('inNamespace' in requirement) return each('inNamespace', requirement.inNamespace, findLocal).flat()
  if ('provenBy' in requirement) return findProven(requirement.provenBy, at('provenBy'))
  return callers.everyone
}

// A list may name credentials that only other deployments have, as long as one of them is possible here.
function findProven(kinds: readonly CredentialKind[], { callers, where }: Place): readonly CallerSet[] {
  if (kinds.some((kind) => callers.credentials.has(kind))) return callers.everyone
  const possible = [...callers.credentials].join(', ')
  const remedy = `one of ${possible}, or the option of createGuard that accepts it (credentials)`
  return refuse(where, `found ${describeValue(kinds)}, by which no caller can be proven here`, remedy)
}

type Find<Part> = (part: Part, place: Place) => readonly CallerSet[]

function findHolders(authority: string, { callers, where }: Place): readonly CallerSet[] {
  const holders = callers.holdersOf(authority)
  if (holders.length > 0) return holders
  return refuse(where, `found ${describeValue(authority)}, which no caller can have`, callers.suggest(authority))
}

function findFitting(text: string, place: Place): readonly CallerSet[] {
  const { trustDomain, path } = parseCallerPattern(text, place.where)
  checkAccepted(text, trustDomain, place)
  const segments = path.slice(1).split('/')
  const rest = segments.at(-1) === '**'
  const kept = rest ? segments.slice(0, -1) : segments
  return [{ trustDomain, segments: kept.map((segment) => (segment === '*' ? undefined : segment)), rest }]
}

function findMembers(trustDomain: string, place: Place): readonly CallerSet[] {
  checkAccepted(trustDomain, trustDomain, place)
  return [{ trustDomain, segments: [], rest: true }]
}

/** Finds the callers of `namespace`, or of `namespace/service account`. */
function findLocal(account: string, place: Place): readonly CallerSet[] {
  const { localTrustDomain = '' } = place.callers
  checkAccepted(account, localTrustDomain, place)
  const [namespace, serviceAccount] = account.split('/')
  return [{ trustDomain: localTrustDomain, segments: ['ns', namespace, 'sa', serviceAccount], rest: false }]
}

const finders: Readonly<Record<CallerKind, Find<string>>> = {
  callers: findFitting,
  serviceAccounts: findLocal,
  namespaces: findLocal,
  trustDomains: findMembers,
  authorities: findHolders,
}

function checkAccepted(found: string, trustDomain: string, { callers, where }: Place): void {
  const { trustDomains } = callers
  if (trustDomains.includes(trustDomain)) return
  const nearest = findNearest(trustDomain, trustDomains)
  const remedy =
    nearest === undefined
      ? `one of ${trustDomains.join(', ')}, or ${trustDomain} in trustDomains`
      : `one of ${trustDomains.join(', ')}; did you mean '${nearest}'?`
  refuse(where, `found ${describeValue(found)}, but callers of ${trustDomain} are not accepted`, remedy)
}

function findCommon(sets: readonly (readonly CallerSet[])[], { callers, where }: Place): readonly CallerSet[] {
  const common = sets.reduce<readonly CallerSet[]>((found, set) => {
    // Beyond this, startup would take too long. Skipping it is safe, because this only checks for mistakes.
    if (found.length * set.length > 10_000) return found
    return found.flatMap((one) => set.flatMap((other) => intersect(one, other) ?? []))
  }, callers.everyone)
  if (common.length > 0) return common
  return refuse(where, 'found requirements that exclude each other', 'ones that a single caller can meet')
}

function refuse(where: string, finding: string, expected: string): never {
  throw new ConfigurationError('rule_invalid', `${where}: ${finding}; expected ${expected}`, { where })
}
