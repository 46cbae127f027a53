import { loadMicromatch } from '#lazy/micromatch'
import { ConfigurationError, SpiffeId } from '@countersign/spiffe/id'
import { describeValue } from '@countersign/spiffe/options'
import { refuseRule } from './refuse-rule.ts'

/** A pattern of SPIFFE IDs, split in two because the trust domain is compared and only the path is matched. */
export interface CallerPattern {
  readonly trustDomain: string
  readonly path: string
  /** True if it names a single workload and needs no matching. */
  readonly isLiteral: boolean
}

/** What to write for callers that a pattern cannot express. */
export interface CallerSuggestions {
  readonly authority: (authority: string) => string
  readonly trustDomain: (trustDomain: string) => string
}

const suggestRequirements: CallerSuggestions = {
  authority: (authority) => `hasAuthority('${authority}')`,
  trustDomain: (trustDomain) => `inTrustDomain('${trustDomain}')`,
}

/**
 * Parses a SPIFFE ID in which a whole path segment may be `*` and the last may be `**`.
 *
 * @throws {ConfigurationError} `rule_invalid` for a wildcard in the trust domain or in part of a segment, for `**`
 * before the end, and for text that is not a SPIFFE ID, where the message suggests `hasAuthority`
 */
export function parseCallerPattern(
  text: string,
  where: string,
  suggest: CallerSuggestions = suggestRequirements,
): CallerPattern {
  if (!text.startsWith(scheme)) {
    refuseRule(
      where,
      text,
      `a SPIFFE ID such as 'spiffe://saas.example/ns/x/sa/y'; did you mean ${suggest.authority(text)}?`,
    )
  }
  const [trustDomain = '', ...segments] = text.slice(scheme.length).split('/')
  if (trustDomain.includes('*'))
    refuseRule(where, text, 'no wildcard in the trust domain; list each trust domain by name')
  if (segments.length === 0)
    refuseRule(where, text, `a path; for every caller of the trust domain use ${suggest.trustDomain(trustDomain)}`)
  for (const [index, segment] of segments.entries()) {
    if (!segment.includes('*') || segment === '*') continue
    if (segment !== '**') refuseRule(where, text, "'*' to be a whole path segment")
    if (index < segments.length - 1) refuseRule(where, text, "'**' to be the last path segment")
  }
  // With a letter in place of each wildcard, the text is a SPIFFE ID, so nothing else in it can be a glob.
  const plain = segments.map((segment) => (segment.includes('*') ? 'x' : segment))
  checkSpiffeId(`${scheme}${trustDomain}/${plain.join('/')}`, text, where)
  return { trustDomain, path: `/${segments.join('/')}`, isLiteral: !text.includes('*') }
}

/**
 * Compiles patterns into one test. Workloads named in full are looked up; the others are matched. `/ns/x/**` matches
 * `/ns/x` and everything below it, as in the path of a rule.
 */
export function compileCallerPatterns(patterns: readonly string[]): (caller: SpiffeId) => boolean {
  const literals = new Set<string>()
  const globs: { readonly trustDomain: string; readonly path: RegExp }[] = []
  for (const text of patterns) {
    const { trustDomain, path, isLiteral } = parseCallerPattern(text, 'callers')
    if (isLiteral) literals.add(text)
    else for (const glob of expandGlob(path)) globs.push({ trustDomain, path: compileGlob(glob) })
  }
  return (caller) => {
    if (literals.has(caller.toString())) return true
    for (const glob of globs) {
      if (glob.trustDomain === caller.trustDomain && glob.path.test(caller.path)) return true
    }
    return false
  }
}

const scheme = 'spiffe://'

// A segment may start with a dot, and glob characters other than `*` are literal.
const globOptions = { dot: true, nobrace: true, nobracket: true, noextglob: true, nonegate: true }

function compileGlob(glob: string): RegExp {
  return loadMicromatch().makeRe(glob, globOptions)
}

// In micromatch, `/a/x/**` matches `/a/x`, but `/a/*/**` does not match `/a/x`, so the parent path gets a separate
// pattern.
function expandGlob(path: string): readonly string[] {
  return path.endsWith('/**') && path !== '/**' ? [path.slice(0, -'/**'.length), path] : [path]
}

function checkSpiffeId(text: string, pattern: string, where: string): void {
  try {
    SpiffeId.parse(text)
  } catch (cause) {
    throw new ConfigurationError(
      'rule_invalid',
      `${where}: found ${describeValue(pattern)}, which is not a SPIFFE ID`,
      {
        value: pattern,
        where,
        cause,
      },
    )
  }
}
