import { describeValue, ignoreRejection } from '@countersign/spiffe/options'
import type { Principal } from './principal.ts'
import { compileCallerPatterns } from './pattern.ts'
import type { CustomTest, RequestFacts, RequestHeaders } from './requirement.ts'
import type { CanonicalTarget } from './target.ts'

/** A request as requirements see it: its target is accepted and its caller is known, or known to be nobody. */
export interface CheckedRequest {
  readonly principal: Principal | null
  readonly method: string
  readonly target: CanonicalTarget
  /** Whose headers custom requirements ask for: Node puts them together only when they are read. */
  readonly message: { readonly headers: RequestHeaders }
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
  | 'deny_all'
  | 'custom_refused'
  | 'evaluation_error'
  | 'no_route_requirement'

/** One requirement that was not met. */
export interface RequirementFailure {
  readonly reason: RequirementReason
  /** For the operator. */
  readonly detail: string
  /** The authorities that were asked for and that the caller lacks. */
  readonly missing?: readonly string[]
}

/** Asks one requirement; undefined means that the request passes. */
export type RequirementTest = (request: CheckedRequest) => RequirementFailure | undefined

/** For `permitAll`. */
export const passAlways: RequirementTest = () => undefined

/** For `denyAll`. */
export const denyAlways: RequirementTest = () => deniedAlways

/** For `perRoute` where no route answers in its place. */
export const passNoRoute: RequirementTest = () => noRouteRequirement

/** For `authenticated`. */
export const checkAuthenticated: RequirementTest = ({ principal }) => (principal === null ? unauthenticated : undefined)

/** For `hasAuthority` and `hasAnyAuthority`. */
export function checkAnyAuthority(authorities: readonly string[]): RequirementTest {
  const failure = describeMissing(authorities)
  return ({ principal }) => {
    if (principal === null) return unauthenticated
    for (const authority of authorities) {
      if (principal.hasAuthority(authority)) return undefined
    }
    return failure
  }
}

/** For `hasAllAuthorities`. */
export function checkAllAuthorities(authorities: readonly string[]): RequirementTest {
  return ({ principal }) => {
    if (principal === null) return unauthenticated
    for (const authority of authorities) {
      if (principal.hasAuthority(authority)) continue
      return describeMissing(authorities.filter((needed) => !principal.hasAuthority(needed)))
    }
    return undefined
  }
}

/** For `callers`. A principal without a SPIFFE ID is on no list of SPIFFE IDs. */
export function checkCallers(patterns: readonly string[]): RequirementTest {
  const isListed = compileCallerPatterns(patterns)
  return checkPrincipal(
    ({ spiffeId }) => spiffeId !== undefined && isListed(spiffeId),
    'caller_not_listed',
    `its SPIFFE ID fits none of ${patterns.join(', ')}`,
  )
}

/** For `serviceAccounts`: staging's core-api of another trust domain is not ours, so only local ones count. */
export function checkServiceAccounts(accounts: readonly string[], localTrustDomain: string): RequirementTest {
  const listed = new Map<string | undefined, Set<string | undefined>>()
  for (const pair of accounts) {
    const [namespace, account] = pair.split('/')
    listed.set(namespace, (listed.get(namespace) ?? new Set()).add(account))
  }
  return checkPrincipal(
    ({ trustDomain, namespace, serviceAccount }) =>
      trustDomain === localTrustDomain && listed.get(namespace)?.has(serviceAccount) === true,
    'service_account_not_listed',
    `it is none of the service accounts ${accounts.join(', ')} of ${localTrustDomain}`,
  )
}

/** For `inNamespace`, local for the same reason. */
export function checkNamespaces(namespaces: readonly string[], localTrustDomain: string): RequirementTest {
  const listed = new Set<string | undefined>(namespaces)
  return checkPrincipal(
    ({ trustDomain, namespace }) => trustDomain === localTrustDomain && listed.has(namespace),
    'namespace_not_listed',
    `it is in none of the namespaces ${namespaces.join(', ')} of ${localTrustDomain}`,
  )
}

/** For `inTrustDomain`. */
export function checkTrustDomains(trustDomains: readonly string[]): RequirementTest {
  const listed = new Set<string | undefined>(trustDomains)
  return checkPrincipal(
    ({ trustDomain }) => listed.has(trustDomain),
    'trust_domain_not_listed',
    `it is in none of the trust domains ${trustDomains.join(', ')}`,
  )
}

/** For `allOf`: the first requirement that is not met is the answer. */
export function checkAllOf(tests: readonly RequirementTest[]): RequirementTest {
  return (request) => {
    for (const test of tests) {
      const failure = test(request)
      if (failure !== undefined) return failure
    }
    return undefined
  }
}

/** For `anyOf`: one that cannot be evaluated ends it, so that an error never leads to a more lenient alternative. */
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

/** For `custom`: anything but true or false is an error, above all a promise, which is always truthy. */
export function checkCustom(name: string, test: CustomTest): RequirementTest {
  const refused: RequirementFailure = Object.freeze({
    reason: 'custom_refused',
    detail: `custom requirement '${name}' returned false`,
  })
  return ({ principal, method, target, message }) => {
    try {
      const facts: RequestFacts = Object.freeze({ principal, method, path: target.path, headers: message.headers })
      const answer: unknown = test(facts)
      if (answer === true) return undefined
      if (answer === false) return refused
      // Nobody waits for this promise; without a listener its rejection would end the process.
      ignoreRejection(answer)
      return failEvaluation(name, 'returned', answer)
    } catch (error) {
      return failEvaluation(name, 'threw', error instanceof Error ? error.message : error)
    }
  }
}

const unauthenticated: RequirementFailure = Object.freeze({
  reason: 'unauthenticated',
  detail: 'nobody was authenticated',
})
const deniedAlways: RequirementFailure = Object.freeze({ reason: 'deny_all', detail: 'nobody passes' })
const noRouteRequirement: RequirementFailure = Object.freeze({
  reason: 'no_route_requirement',
  detail: 'it is left to the route, and the route has no allow of its own',
})

function checkPrincipal(
  passes: (principal: Principal) => boolean,
  reason: RequirementReason,
  detail: string,
): RequirementTest {
  const failure: RequirementFailure = Object.freeze({ reason, detail })
  return ({ principal }) => {
    if (principal === null) return unauthenticated
    return passes(principal) ? undefined : failure
  }
}

function describeMissing(missing: readonly string[]): RequirementFailure {
  return Object.freeze({
    reason: 'authority_missing',
    detail: `it lacks ${missing.join(', ')}`,
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
