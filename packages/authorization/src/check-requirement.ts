import type { SpiffeId } from '@countersign/spiffe/id'
import { describeValue, ignoreRejection } from '@countersign/spiffe/options'
import type { CredentialKind, Principal } from './principal.ts'
import { compileCallerPatterns } from './pattern.ts'
import type { PolicyFacts } from './policy/policy-facts.ts'
import type { CustomTest, RequestFacts, RequestHeaders } from './requirement.ts'
import type { CanonicalTarget } from './target.ts'

/** The input of requirements: a request with an accepted target, and a caller that is either authenticated or null. */
export interface CheckedRequest {
  readonly principal: Principal | null
  readonly method: string
  readonly target: CanonicalTarget
  /** The source of the headers for custom requirements. Node builds the headers object only when it is read. */
  readonly message: { readonly headers: RequestHeaders }
  /** What policies read besides. Default: nothing is known, so that DENY policies match and ALLOW policies do not. */
  readonly facts?: PolicyFacts | undefined
}

/** Why a requirement was not met. */
export type RequirementReason =
  | 'unauthenticated'
  | 'authority_missing'
  | 'caller_not_listed'
  | 'service_account_not_listed'
  | 'namespace_not_listed'
  | 'trust_domain_not_listed'
  | 'no_alternative'
  | 'credential_not_accepted'
  | 'not_anonymous'
  | 'deny_all'
  | 'custom_refused'
  | 'evaluation_error'
  | 'no_route_requirement'

/** A requirement that was not met. */
export interface RequirementFailure {
  readonly reason: RequirementReason
  /** For the operator. */
  readonly detail: string
  /** The required authorities that the caller lacks. */
  readonly missing?: readonly string[]
}

/** Tests one requirement. Returns undefined if it is met. */
export type RequirementTest = (request: CheckedRequest) => RequirementFailure | undefined

/** Tests `permitAll`. */
export const passAlways: RequirementTest = () => undefined

/** Tests `denyAll`. */
export const denyAlways: RequirementTest = () => deniedAlways

/** Tests `perRoute` if the route has no requirement. */
export const passNoRoute: RequirementTest = () => noRouteRequirement

/**
 * The credentials that `provenBy()` names for a part of a requirement. Undefined if no caller has a credential that would
 * have to be named: comparing it would take a tenth of the time of a decision.
 */
type Named = ReadonlySet<CredentialKind> | undefined

/** Creates the test of `authenticated`. */
export function checkAuthenticated(named: Named): RequirementTest {
  return ({ principal }) => refuseCaller(principal, named)
}

/** Tests `anonymous`. */
export const checkAnonymous: RequirementTest = ({ principal }) => (principal === null ? undefined : notAnonymous)

/** Creates the test of `provenBy`. */
export function checkCredential(accepted: readonly CredentialKind[]): RequirementTest {
  const detail = `the caller is proven by none of ${accepted.join(', ')}`
  const failure: RequirementFailure = Object.freeze({ reason: 'credential_not_accepted', detail })
  return ({ principal }) => {
    if (principal === null) return unauthenticated
    return accepted.includes(principal.credential) ? undefined : failure
  }
}

/** Creates the test of `hasAuthority` and `hasAnyAuthority`. */
export function checkAnyAuthority(authorities: readonly string[], named: Named): RequirementTest {
  const failure = describeMissing(authorities)
  return ({ principal }) => {
    if (principal === null || (named && isUnnamed(principal, named))) return refuseCaller(principal, named)
    for (const authority of authorities) {
      if (principal.hasAuthority(authority)) return undefined
    }
    return failure
  }
}

/** Creates the test of `hasAllAuthorities`. */
export function checkAllAuthorities(authorities: readonly string[], named: Named): RequirementTest {
  return ({ principal }) => {
    if (principal === null || (named && isUnnamed(principal, named))) return refuseCaller(principal, named)
    for (const authority of authorities) {
      if (principal.hasAuthority(authority)) continue
      return describeMissing(authorities.filter((needed) => !principal.hasAuthority(needed)))
    }
    return undefined
  }
}

/** Creates the test of `callers`. A principal without a SPIFFE ID never matches. */
export function checkCallers(
  patterns: readonly string[],
  named: Named,
  isListed: (caller: SpiffeId) => boolean = compileCallerPatterns(patterns),
): RequirementTest {
  return checkPrincipal(
    ({ spiffeId }) => spiffeId !== undefined && isListed(spiffeId),
    'caller_not_listed',
    `the caller's SPIFFE ID matches none of ${patterns.join(', ')}`,
    named,
  )
}

/**
 * Creates the test of `serviceAccounts`. Only local callers match, because another trust domain's core-api is not ours.
 */
export function checkServiceAccounts(
  accounts: readonly string[],
  localTrustDomain: string,
  named: Named,
): RequirementTest {
  const listed = new Map<string | undefined, Set<string | undefined>>()
  for (const pair of accounts) {
    const [namespace, account] = pair.split('/')
    listed.set(namespace, (listed.get(namespace) ?? new Set()).add(account))
  }
  return checkPrincipal(
    ({ trustDomain, namespace, serviceAccount }) =>
      trustDomain === localTrustDomain && listed.get(namespace)?.has(serviceAccount) === true,
    'service_account_not_listed',
    `the caller is none of the service accounts ${accounts.join(', ')} of ${localTrustDomain}`,
    named,
  )
}

/** Creates the test of `inNamespace`. Only local callers match, for the same reason. */
export function checkNamespaces(
  namespaces: readonly string[],
  localTrustDomain: string,
  named: Named,
): RequirementTest {
  const listed = new Set<string | undefined>(namespaces)
  return checkPrincipal(
    ({ trustDomain, namespace }) => trustDomain === localTrustDomain && listed.has(namespace),
    'namespace_not_listed',
    `the caller is in none of the namespaces ${namespaces.join(', ')} of ${localTrustDomain}`,
    named,
  )
}

/** Creates the test of `inTrustDomain`. */
export function checkTrustDomains(trustDomains: readonly string[], named: Named): RequirementTest {
  const listed = new Set<string | undefined>(trustDomains)
  return checkPrincipal(
    ({ trustDomain }) => listed.has(trustDomain),
    'trust_domain_not_listed',
    `the caller is in none of the trust domains ${trustDomains.join(', ')}`,
    named,
  )
}

/** Creates the test of `allOf`. The first requirement that is not met is reported. */
export function checkAllOf(tests: readonly RequirementTest[]): RequirementTest {
  return (request) => {
    for (const test of tests) {
      const failure = test(request)
      if (failure !== undefined) return failure
    }
    return undefined
  }
}

/**
 * Creates the test of `anyOf`. If a requirement cannot be evaluated, the test fails there, so that an error never leads
 * to a more lenient alternative.
 */
export function checkAnyOf(tests: readonly RequirementTest[]): RequirementTest {
  return (request) => {
    const failures: RequirementFailure[] = []
    for (const test of tests) {
      const failure = test(request)
      if (failure === undefined || failure.reason === 'evaluation_error') return failure
      failures.push(failure)
    }
    return mergeFailures(failures)
  }
}

/**
 * Creates the test of `custom`. Any result but true or false is an error, in particular a promise, which is always
 * truthy.
 */
export function checkCustom(name: string, test: CustomTest, named: Named): RequirementTest {
  const refused: RequirementFailure = Object.freeze({
    reason: 'custom_refused',
    detail: `custom requirement '${name}' returned false`,
  })
  return ({ principal, method, target, message }) => {
    // The author of the function expects an authenticated caller, so it is not called for an anonymous one.
    if (principal === null || (named && isUnnamed(principal, named))) return refuseCaller(principal, named)
    try {
      const facts: RequestFacts = Object.freeze({ principal, method, path: target.path, headers: message.headers })
      const answer: unknown = test(facts)
      if (answer === true) return undefined
      if (answer === false) return refused
      // This promise is not awaited; without a handler, its rejection would end the process.
      ignoreRejection(answer)
      return failEvaluation(name, 'returned', answer)
    } catch (error) {
      return failEvaluation(name, 'threw', error instanceof Error ? error.message : error)
    }
  }
}

const unauthenticated: RequirementFailure = Object.freeze({
  reason: 'unauthenticated',
  detail: 'the caller is not authenticated',
})
const deniedAlways: RequirementFailure = Object.freeze({ reason: 'deny_all', detail: 'denyAll() denies every caller' })
const noRouteRequirement: RequirementFailure = Object.freeze({
  reason: 'no_route_requirement',
  detail: 'the rule leaves the decision to the route, and the route has no allow',
})

const notAnonymous: RequirementFailure = Object.freeze({
  reason: 'not_anonymous',
  detail: 'the caller is authenticated, and anonymous() is for callers that are not',
})
const unnamed: Readonly<Record<'asserted' | 'jwt-svid', RequirementFailure>> = Object.freeze({
  asserted: describeUnnamed('asserted'),
  'jwt-svid': describeUnnamed('jwt-svid'),
})

// An unauthenticated proxy may claim any identity, and a bearer token can be replayed. Such callers therefore satisfy
// only requirements whose author named their credential.
function isUnnamed({ credential }: Principal, named: ReadonlySet<CredentialKind>): boolean {
  return (credential === 'asserted' || credential === 'jwt-svid') && !named.has(credential)
}

function refuseCaller(principal: Principal | null, named: Named): RequirementFailure | undefined {
  if (principal === null) return unauthenticated
  const { credential } = principal
  if (named === undefined || (credential !== 'asserted' && credential !== 'jwt-svid')) return undefined
  return named.has(credential) ? undefined : unnamed[credential]
}

function describeUnnamed(credential: 'asserted' | 'jwt-svid'): RequirementFailure {
  return Object.freeze({
    reason: 'credential_not_accepted',
    detail: `the caller is proven by '${credential}', and the requirement does not name it with provenBy('${credential}')`,
  })
}

function checkPrincipal(
  passes: (principal: Principal) => boolean,
  reason: RequirementReason,
  detail: string,
  named: Named,
): RequirementTest {
  const failure: RequirementFailure = Object.freeze({ reason, detail })
  return ({ principal }) => {
    if (principal === null || (named && isUnnamed(principal, named))) return refuseCaller(principal, named)
    return passes(principal) ? undefined : failure
  }
}

function describeMissing(missing: readonly string[]): RequirementFailure {
  return Object.freeze({
    reason: 'authority_missing',
    detail: `the caller lacks ${missing.join(', ')}`,
    missing: Object.freeze([...missing]),
  })
}

function failEvaluation(name: string, how: 'returned' | 'threw', what: unknown): RequirementFailure {
  return {
    reason: 'evaluation_error',
    detail: `custom requirement '${name}' ${how} ${describeValue(what)}, expected true or false`,
  }
}

function mergeFailures(failures: readonly RequirementFailure[]): RequirementFailure {
  const missing = [...new Set(failures.flatMap((failure) => failure.missing ?? []))]
  return {
    reason: failures.map(({ reason }) => reason).reduce((one, other) => (one === other ? one : 'no_alternative')),
    detail: failures.map(({ detail }) => detail).join('; and '),
    ...(missing.length > 0 && { missing }),
  }
}
