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
