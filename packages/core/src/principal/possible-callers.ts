import type { CallerSet, CredentialKind, PossibleCallers } from '@countersign/authorization'
import { findNearest } from '@countersign/spiffe/options'
import { SpiffeId, type SubjectIdentity } from '@countersign/spiffe'
import type { PrincipalPolicy } from './create-principal.ts'

/** Creates the set of callers that are authenticated by SPIFFE ID. */
export function createPossibleWorkloads(
  trustDomains: readonly string[],
  policy: PrincipalPolicy,
  credentials: ReadonlySet<CredentialKind> = new Set(['x509-svid']),
): PossibleCallers {
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
    const grant = 'or an authorities function that grants it'
    if (!isLocalAccepted) return `${localTrustDomain} in trustDomains, ${grant}`
    if (namespaces.size === 0 && isSegment(authority.replace(/^SERVICE_/, ''))) {
      return `'SERVICE_<namespace>/<service account>', the namespaces option with the namespaces whose services have the short form, ${grant}`
    }
    return `'NAMESPACE_<namespace>', 'SERVICE_<service account>' or 'SERVICE_<namespace>/<service account>', ${grant}`
  }
  return { everyone, trustDomains, localTrustDomain, credentials, holdersOf, suggest }
}

/** Creates the set of callers that are authenticated by a name from a closed list. */
export function createPossibleSubjects(identity: SubjectIdentity): PossibleCallers {
  const granted = [...new Set(identity.names.flatMap((name) => identity.find(name) ?? []))]
  return {
    everyone: identity.names.map(createNamedSet),
    trustDomains: [],
    localTrustDomain: undefined,
    credentials: new Set(['x509-subject']),
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

/** Returns whether text can be one segment of a SPIFFE ID's path. */
function isSegment(text: string): boolean {
  try {
    return SpiffeId.parse(`spiffe://any/${text}`).segments.length === 1
  } catch {
    return false
  }
}

// The reverse of `deriveAuthorities`.
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
