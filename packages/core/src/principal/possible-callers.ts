import { findNearest } from '../options.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { SubjectIdentity } from '../subject/subject-identity.ts'
import type { PrincipalPolicy } from './create-principal.ts'

/** The callers of one trust domain whose path fits: a segment that is undefined can be any, and `rest` allows more below. */
export interface CallerSet {
  /** Empty for callers without SPIFFE IDs; their path is their name. */
  readonly trustDomain: string
  readonly segments: readonly (string | undefined)[]
  readonly rest: boolean
}

/** The callers that a guard can ever authenticate, and the authorities that they can have. */
export interface PossibleCallers {
  readonly everyone: readonly CallerSet[]
  /** The trust domains whose callers are authenticated at all; empty without SPIFFE IDs. */
  readonly trustDomains: readonly string[]
  /** The trust domain of namespaces and service accounts; undefined without SPIFFE IDs. */
  readonly localTrustDomain: string | undefined
  /** Those who have an authority. A function of the application may grant it to anyone. */
  readonly holdersOf: (authority: string) => readonly CallerSet[]
  /** What to write in place of an authority that nobody can have. */
  readonly suggest: (authority: string) => string
}

/** The callers that are authenticated by their SPIFFE ID. */
export function createPossibleWorkloads(trustDomains: readonly string[], policy: PrincipalPolicy): PossibleCallers {
  const everyone = trustDomains.map((trustDomain) => ({ trustDomain, segments: [], rest: true }))
  const { localTrustDomain = '', namespaces, authorities } = policy
  const isLocalAccepted = trustDomains.includes(localTrustDomain)
  const holdersOf = (authority: string): readonly CallerSet[] => {
    if (authorities !== undefined) return everyone
    if (!isLocalAccepted) return []
    return findAccounts(authority, namespaces).map(({ namespace, serviceAccount }) => ({
      trustDomain: localTrustDomain,
      segments: ['ns', namespace, 'sa', serviceAccount],
      rest: false,
    }))
  }
  const suggest = (authority: string): string => {
    const grant = 'or authorities: a function that grants it'
    if (!isLocalAccepted) return `${localTrustDomain} among trustDomains, ${grant}`
    if (namespaces.size === 0 && isSegment(authority.replace(/^SERVICE_/, ''))) {
      return `'SERVICE_<namespace>/<service account>', namespaces: a list of those whose services have the short form, ${grant}`
    }
    return `'NAMESPACE_<namespace>', 'SERVICE_<service account>' or 'SERVICE_<namespace>/<service account>', ${grant}`
  }
  return { everyone, trustDomains, localTrustDomain, holdersOf, suggest }
}

/** The callers that are authenticated by a name from a closed list. */
export function createPossibleSubjects(identity: SubjectIdentity): PossibleCallers {
  const granted = [...new Set(identity.names.flatMap((name) => identity.find(name) ?? []))]
  return {
    everyone: identity.names.map(createNamedSet),
    trustDomains: [],
    localTrustDomain: undefined,
    holdersOf: (authority) =>
      identity.names.filter((name) => identity.find(name)?.includes(authority) === true).map(createNamedSet),
    suggest: (authority) => {
      const nearest = findNearest(authority, granted)
      const known = granted.length === 0 ? 'none' : granted.slice(0, 20).join(', ')
      const remedy = nearest === undefined ? `they grant ${known}` : `did you mean '${nearest}'?`
      return `an authority that ${identity.kind}() grants to a name; ${remedy}`
    },
  }
}

function createNamedSet(name: string): CallerSet {
  return { trustDomain: '', segments: [name], rest: false }
}

/** The callers that are in both sets. */
export function intersect(one: CallerSet, other: CallerSet): CallerSet | undefined {
  if (one.trustDomain !== other.trustDomain) return undefined
  const [short, long] = one.segments.length <= other.segments.length ? [one, other] : [other, one]
  if (short.segments.length < long.segments.length && !short.rest) return undefined
  const segments: (string | undefined)[] = []
  for (const [index, segment] of long.segments.entries()) {
    const wanted = short.segments[index]
    if (wanted !== undefined && segment !== undefined && wanted !== segment) return undefined
    segments.push(segment ?? wanted)
  }
  return { trustDomain: one.trustDomain, segments, rest: short.rest && long.rest }
}

/** Whether text can be one segment of a SPIFFE ID's path. */
function isSegment(text: string): boolean {
  try {
    return SpiffeId.parse(`spiffe://any/${text}`).segments.length === 1
  } catch {
    return false
  }
}

// The reverse of what a principal's authorities are derived from.
function findAccounts(
  authority: string,
  namespaces: ReadonlySet<string>,
): readonly { readonly namespace: string; readonly serviceAccount: string | undefined }[] {
  if (authority.startsWith('NAMESPACE_')) {
    const namespace = authority.slice('NAMESPACE_'.length)
    return isSegment(namespace) ? [{ namespace, serviceAccount: undefined }] : []
  }
  if (!authority.startsWith('SERVICE_')) return []
  const [first = '', second, ...more] = authority.slice('SERVICE_'.length).split('/')
  if (!isSegment(first) || more.length > 0) return []
  if (second === undefined) return [...namespaces].map((namespace) => ({ namespace, serviceAccount: first }))
  return isSegment(second) ? [{ namespace: first, serviceAccount: second }] : []
}
