import type { CredentialKind } from './principal.ts'

/**
 * The callers of one trust domain whose path matches. An undefined segment matches any, and `rest` allows further
 * segments.
 */
export interface CallerSet {
  /** Empty for callers without SPIFFE IDs, whose path is their name. */
  readonly trustDomain: string
  readonly segments: readonly (string | undefined)[]
  readonly rest: boolean
}

/** The callers that a guard can authenticate, and the authorities that they can have. */
export interface PossibleCallers {
  readonly everyone: readonly CallerSet[]
  /** The trust domains whose callers are authenticated. Empty without SPIFFE IDs. */
  readonly trustDomains: readonly string[]
  /** The trust domain of namespaces and service accounts. Undefined without SPIFFE IDs. */
  readonly localTrustDomain: string | undefined
  /** The credentials by which callers can be proven. */
  readonly credentials: ReadonlySet<CredentialKind>
  /**
   * Returns the callers that can have an authority. If the application has an `authorities` function, that is every
   * caller.
   */
  readonly holdersOf: (authority: string) => readonly CallerSet[]
  /** Suggests what to write instead of an authority that no caller can have. */
  readonly suggest: (authority: string) => string
}

/** Returns the callers that are in both sets, or undefined if there are none. */
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
