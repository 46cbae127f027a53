import { parseCallerPattern } from '../pattern.ts'
import type { CallerSet, PossibleCallers } from '../possible-callers.ts'
import type { Requirement } from '../requirement.ts'
import type { Layers } from '../policy/decide-policies.ts'
import type { PolicyFrom } from '../policy/policy.ts'

/** The callers and authorities that rules and policies name. */
export interface NamedCallers {
  readonly sets: readonly CallerSet[]
  /** Authorities whose holders are not known, because they are not derived from a SPIFFE ID or a list. */
  readonly authorities: readonly string[]
}

/** Returns the callers that rules and policies name, by any of their fields. */
export function listNamedCallers({ rules, policies }: Layers, callers: PossibleCallers): NamedCallers {
  const mentions = [
    ...rules.rules.flatMap(({ allow }) => listMentions(allow.source)),
    ...(policies?.policies ?? []).flatMap(({ source }) => source.from?.flatMap(listFromMentions) ?? []),
  ]
  const sets: CallerSet[] = []
  const authorities = new Set<string>()
  for (const mention of mentions) {
    const found = findSets(mention, callers)
    sets.push(...found)
    if (mention.kind === 'authority' && found.length === 0) authorities.add(mention.text)
  }
  return { sets, authorities: [...authorities].toSorted() }
}

interface Mention {
  readonly kind: 'caller' | 'account' | 'namespace' | 'trustDomain' | 'authority'
  readonly text: string
}

function listMentions(source: Requirement): readonly Mention[] {
  if ('allOf' in source) return source.allOf.flatMap(listMentions)
  if ('anyOf' in source) return source.anyOf.flatMap(listMentions)
  if ('callers' in source) return mention('caller', source.callers)
  if ('serviceAccounts' in source) return mention('account', source.serviceAccounts)
  if ('inNamespace' in source) return mention('namespace', source.inNamespace)
  if ('inTrustDomain' in source) return mention('trustDomain', source.inTrustDomain)
  if ('hasAuthority' in source) return mention('authority', [source.hasAuthority])
  if ('hasAnyAuthority' in source) return mention('authority', source.hasAnyAuthority)
  if ('hasAllAuthorities' in source) return mention('authority', source.hasAllAuthorities)
  return []
}

// Negative forms also distinguish callers.
function listFromMentions(from: PolicyFrom): readonly Mention[] {
  return [
    ...mention('caller', from.callers, from.notCallers),
    ...mention('account', from.serviceAccounts, from.notServiceAccounts),
    ...mention('namespace', from.namespaces, from.notNamespaces),
    ...mention('trustDomain', from.trustDomains, from.notTrustDomains),
    ...mention('authority', from.authorities, from.notAuthorities),
  ]
}

function mention(kind: Mention['kind'], ...lists: readonly (readonly string[] | undefined)[]): readonly Mention[] {
  return lists.flatMap((texts) => (texts ?? []).map((text) => ({ kind, text })))
}

function findSets({ kind, text }: Mention, callers: PossibleCallers): readonly CallerSet[] {
  const { localTrustDomain: local = '' } = callers
  if (kind === 'authority') return callers.holdersOf(text)
  if (kind === 'account') return [parseSet(local, `/ns/${text.replace('/', '/sa/')}`)]
  if (kind === 'namespace') return [parseSet(local, `/ns/${text}/sa/*`)]
  if (kind === 'trustDomain') return [parseSet(text, '/**')]
  const { trustDomain, path } = parseCallerPattern(text, 'callers')
  return [parseSet(trustDomain, path)]
}

function parseSet(trustDomain: string, path: string): CallerSet {
  const rest = path.endsWith('/**')
  const segments = (rest ? path.slice(0, -'/**'.length) : path).split('/').slice(1)
  return { trustDomain, segments: segments.map((segment) => (segment === '*' ? undefined : segment)), rest }
}
