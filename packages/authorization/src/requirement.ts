import { ConfigurationError } from '@countersign/spiffe/id'
import { describeValue } from '@countersign/spiffe/options'
import type { CredentialKind, Principal } from './principal.ts'
import { parseRequirement } from './parse-requirement.ts'

/**
 * What a caller must satisfy, as plain data: `hasAuthority('A')` returns `{ hasAuthority: 'A' }`. It has exactly one
 * key, so that there is no implicit "and" or "or" to misread.
 */
export type Requirement =
  | { readonly hasAuthority: string }
  | { readonly hasAnyAuthority: readonly string[] }
  | { readonly hasAllAuthorities: readonly string[] }
  | { readonly authenticated: true }
  | { readonly permitAll: true }
  | { readonly denyAll: true }
  | { readonly anonymous: true }
  | { readonly provenBy: readonly CredentialKind[] }
  | { readonly callers: readonly string[] }
  | { readonly serviceAccounts: readonly string[] }
  | { readonly inNamespace: readonly string[] }
  | { readonly inTrustDomain: readonly string[] }
  | { readonly allOf: readonly Requirement[] }
  | { readonly anyOf: readonly Requirement[] }
  | { readonly custom: { readonly name: string; readonly test: CustomTest } }
  | { readonly perRoute: true }

/** The headers of a request as Node provides them, with lower-case names. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a custom requirement receives about a request. Frozen. */
export interface RequestFacts {
  /** The caller. Typed as nullable for older code, but never null: a custom requirement denies anonymous callers. */
  readonly principal: Principal | null
  readonly method: string
  /** The path that rules are compared with: decoded once, without the query. */
  readonly path: string
  readonly headers: RequestHeaders
}

/**
 * Returns true or false synchronously. An exception, a promise or any other value denies the request with
 * `evaluation_error`, because a failed decision must not allow anything.
 */
export type CustomTest = (facts: RequestFacts) => boolean

/**
 * Allows a caller that has this authority, compared byte for byte.
 *
 * @throws {ConfigurationError} if the text cannot be an authority
 */
export function hasAuthority(authority: string): Requirement
export function hasAuthority(authority: string, ...more: readonly unknown[]): Requirement {
  refuseArguments('hasAuthority', more, 'one authority; for several use hasAnyAuthority() or hasAllAuthorities()')
  return parseRequirement({ hasAuthority: authority }, 'requirement')
}

/**
 * Allows a caller that has at least one of these authorities.
 *
 * @throws {ConfigurationError} for an empty list, which could mean either that no caller or that every caller is
 * allowed
 */
export function hasAnyAuthority(...authorities: readonly string[]): Requirement {
  return parseRequirement({ hasAnyAuthority: authorities }, 'requirement')
}

/**
 * Allows a caller that has all of these authorities. A denial names those that are missing.
 *
 * @throws {ConfigurationError} for an empty list, which every caller would satisfy
 */
export function hasAllAuthorities(...authorities: readonly string[]): Requirement {
  return parseRequirement({ hasAllAuthorities: authorities }, 'requirement')
}

/** Allows every caller that is authenticated by a certificate, its own or one that a listed proxy forwarded. */
export function authenticated(): Requirement
export function authenticated(...given: readonly unknown[]): Requirement {
  refuseArguments('authenticated', given, 'none')
  return parseRequirement({ authenticated: true }, 'requirement')
}

/**
 * Allows a caller that is not authenticated, while permissive mode lasts. Only valid inside `anyOf()`, beside what such
 * callers will have to meet afterwards.
 *
 * @example anyOf(anonymous(), hasAuthority('SERVICE_core-api'))
 */
export function anonymous(): Requirement
export function anonymous(...given: readonly unknown[]): Requirement {
  refuseArguments('anonymous', given, 'none')
  return parseRequirement({ anonymous: true }, 'anonymous()')
}

/**
 * Allows callers that are proven by one of these credentials. The weaker ones, `'asserted'` and `'jwt-svid'`, satisfy no
 * other requirement unless an `allOf()` around it names them with `provenBy()`: a list of authorities that was written
 * for certificates does not also admit bearer tokens.
 *
 * @throws {ConfigurationError} for an empty list, or an entry that is not a kind of credential
 * @example allOf(provenBy('x509-svid', 'jwt-svid'), hasAuthority('SERVICE_core-api'))
 */
export function provenBy(...credentials: readonly CredentialKind[]): Requirement {
  return parseRequirement({ provenBy: credentials }, 'requirement')
}

/** Allows every request, even without an authenticated caller. The request's target is still checked. */
export function permitAll(): Requirement
export function permitAll(...given: readonly unknown[]): Requirement {
  refuseArguments('permitAll', given, 'none')
  return parseRequirement({ permitAll: true }, 'requirement')
}

/** Denies every request. */
export function denyAll(): Requirement
export function denyAll(...given: readonly unknown[]): Requirement {
  refuseArguments('denyAll', given, 'none')
  return parseRequirement({ denyAll: true }, 'requirement')
}

/**
 * Allows callers whose SPIFFE ID matches one of these patterns. A whole path segment may be `*`, the last may be `**`,
 * and the trust domain must be spelled out. `spiffe://saas.example/ns/x/**` matches `/ns/x` and everything below it.
 *
 * @throws {ConfigurationError} for an empty list, or text that is not such a pattern
 * @example callers('spiffe://saas.example/ns/production/sa/*')
 */
export function callers(...patterns: readonly string[]): Requirement {
  return parseRequirement({ callers: patterns }, 'requirement')
}

/**
 * Allows callers of the local trust domain by namespace and service account, each written `namespace/service-account`.
 *
 * @throws {ConfigurationError} for an empty list, or an entry that is not such a pair
 * @example serviceAccounts('production/core-api')
 */
export function serviceAccounts(...accounts: readonly string[]): Requirement {
  return parseRequirement({ serviceAccounts: accounts }, 'requirement')
}

/**
 * Allows callers of the local trust domain in one of these namespaces. Other trust domains do not match, because a
 * partner's `production` is not ours.
 *
 * @throws {ConfigurationError} for an empty list, or an entry that is not a namespace
 */
export function inNamespace(...namespaces: readonly string[]): Requirement {
  return parseRequirement({ inNamespace: namespaces }, 'requirement')
}

/**
 * Allows every caller of these trust domains, local or federated, given by their bare names.
 *
 * @throws {ConfigurationError} for an empty list, or an entry that is not a trust domain name
 */
export function inTrustDomain(...trustDomains: readonly string[]): Requirement {
  return parseRequirement({ inTrustDomain: trustDomains }, 'requirement')
}

/**
 * Allows a request that meets all of these requirements. They are tested in order, up to the first that is not met.
 *
 * @throws {ConfigurationError} for an empty list, which every request would satisfy
 */
export function allOf(...requirements: readonly Requirement[]): Requirement {
  return parseRequirement({ allOf: requirements }, 'requirement')
}

/**
 * Allows a request that meets one of these requirements. They are tested in order, up to the first that is met. If one
 * cannot be evaluated, the request is denied immediately.
 *
 * @throws {ConfigurationError} for an empty list
 */
export function anyOf(...requirements: readonly Requirement[]): Requirement {
  return parseRequirement({ anyOf: requirements }, 'requirement')
}

/**
 * Allows a request of an authenticated caller for which your function returns true. Denials show the name to the
 * operator.
 *
 * @throws {ConfigurationError} for a missing name, or for an async function, because decisions never wait
 * @example custom('office hours', () => new Date().getHours() < 18)
 */
export function custom(name: string, test: CustomTest): Requirement
export function custom(name: string, test: CustomTest, ...more: readonly unknown[]): Requirement {
  refuseArguments('custom', more, 'a name and one function; combine several with allOf() or anyOf()')
  return parseRequirement({ custom: { name, test } }, 'requirement')
}

/**
 * Leaves the decision to the route: allows the request only if the route has an `allow` and the caller meets it. Cannot
 * be combined with other requirements.
 */
export function perRoute(): Requirement
export function perRoute(...given: readonly unknown[]): Requirement {
  refuseArguments('perRoute', given, 'none')
  return parseRequirement({ perRoute: true }, 'requirement')
}

// A silently ignored argument would look as if it were in force. A number is tolerated, because
// `names.map(hasAuthority)` passes an index.
function refuseArguments(name: string, [found]: readonly unknown[], expected: string): void {
  if (found === undefined || typeof found === 'number') return
  const message = `${name}: found ${describeValue(found)} as an additional argument, expected ${expected}`
  throw new ConfigurationError('option_invalid', message, { value: found })
}
