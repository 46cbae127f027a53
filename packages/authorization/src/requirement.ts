import { ConfigurationError } from '@countersign/spiffe/id'
import { describeValue } from '@countersign/spiffe/options'
import type { Principal } from './principal.ts'
import { parseRequirement } from './parse-requirement.ts'

/**
 * What a caller must fulfil, as plain data: `{ hasAuthority: 'A' }` is what `hasAuthority('A')` spells. Exactly one
 * key, so that no default relation between several can be misread.
 */
export type Requirement =
  | { readonly hasAuthority: string }
  | { readonly hasAnyAuthority: readonly string[] }
  | { readonly hasAllAuthorities: readonly string[] }
  | { readonly authenticated: true }
  | { readonly permitAll: true }
  | { readonly denyAll: true }
  | { readonly callers: readonly string[] }
  | { readonly serviceAccounts: readonly string[] }
  | { readonly inNamespace: readonly string[] }
  | { readonly inTrustDomain: readonly string[] }
  | { readonly allOf: readonly Requirement[] }
  | { readonly anyOf: readonly Requirement[] }
  | { readonly custom: { readonly name: string; readonly test: CustomTest } }
  | { readonly perRoute: true }

/** The headers of a request as Node gives them, names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a custom requirement is told about a request; frozen. */
export interface RequestFacts {
  /** Null where a rule lets requests pass that authenticated nobody. */
  readonly principal: Principal | null
  readonly method: string
  /** The path as rules see it: decoded once, without the query. */
  readonly path: string
  readonly headers: RequestHeaders
}

/**
 * Answers at once with true or false. An exception, a promise or any other value denies the request with
 * `evaluation_error`, because a decision that cannot be made is no permission.
 */
export type CustomTest = (facts: RequestFacts) => boolean

/**
 * Passes a caller that has this authority, compared byte for byte.
 *
 * @throws {ConfigurationError} for text that no authority can be
 */
export function hasAuthority(authority: string): Requirement
export function hasAuthority(authority: string, ...more: readonly unknown[]): Requirement {
  refuseArguments('hasAuthority', more, 'one authority; several go into hasAnyAuthority() or hasAllAuthorities()')
  return parseRequirement({ hasAuthority: authority }, 'requirement')
}

/**
 * Passes a caller that has at least one of these authorities.
 *
 * @throws {ConfigurationError} for an empty list: it could be meant as "nobody" as well as "everybody"
 */
export function hasAnyAuthority(...authorities: readonly string[]): Requirement {
  return parseRequirement({ hasAnyAuthority: authorities }, 'requirement')
}

/**
 * Passes a caller that has every one of these authorities; a denial names those that it lacks.
 *
 * @throws {ConfigurationError} for an empty list, which every caller would fulfil
 */
export function hasAllAuthorities(...authorities: readonly string[]): Requirement {
  return parseRequirement({ hasAllAuthorities: authorities }, 'requirement')
}

/** Passes every caller whose certificate was verified, whatever it may be called. */
export function authenticated(): Requirement
export function authenticated(...given: readonly unknown[]): Requirement {
  refuseArguments('authenticated', given, 'none')
  return parseRequirement({ authenticated: true }, 'requirement')
}

/** Passes everybody, also where nobody was authenticated. The target of the request is checked all the same. */
export function permitAll(): Requirement
export function permitAll(...given: readonly unknown[]): Requirement {
  refuseArguments('permitAll', given, 'none')
  return parseRequirement({ permitAll: true }, 'requirement')
}

/** Passes nobody. */
export function denyAll(): Requirement
export function denyAll(...given: readonly unknown[]): Requirement {
  refuseArguments('denyAll', given, 'none')
  return parseRequirement({ denyAll: true }, 'requirement')
}

/**
 * Passes callers whose SPIFFE ID fits one of these patterns: a whole path segment may be `*`, the last may be `**`,
 * the trust domain is always spelt out. `spiffe://saas.example/ns/x/**` fits `/ns/x` and everything below it.
 *
 * @throws {ConfigurationError} for an empty list or text that is no such pattern
 * @example callers('spiffe://saas.example/ns/production/sa/*')
 */
export function callers(...patterns: readonly string[]): Requirement {
  return parseRequirement({ callers: patterns }, 'requirement')
}

/**
 * Passes callers of the local trust domain by namespace and service account, each written `namespace/service-account`.
 *
 * @throws {ConfigurationError} for an empty list or an entry that is no such pair
 * @example serviceAccounts('production/core-api')
 */
export function serviceAccounts(...accounts: readonly string[]): Requirement {
  return parseRequirement({ serviceAccounts: accounts }, 'requirement')
}

/**
 * Passes callers of the local trust domain in one of these namespaces: a partner's `production` is not ours.
 *
 * @throws {ConfigurationError} for an empty list or an entry that is no namespace
 */
export function inNamespace(...namespaces: readonly string[]): Requirement {
  return parseRequirement({ inNamespace: namespaces }, 'requirement')
}

/**
 * Passes every caller of one of these trust domains, given by their bare names; local and federated ones alike.
 *
 * @throws {ConfigurationError} for an empty list or an entry that is no trust domain name
 */
export function inTrustDomain(...trustDomains: readonly string[]): Requirement {
  return parseRequirement({ inTrustDomain: trustDomains }, 'requirement')
}

/**
 * Passes when each of these requirements does; they are asked in order up to the first that does not.
 *
 * @throws {ConfigurationError} for no requirement at all, which everybody would fulfil
 */
export function allOf(...requirements: readonly Requirement[]): Requirement {
  return parseRequirement({ allOf: requirements }, 'requirement')
}

/**
 * Passes when one of these requirements does; they are asked in order up to the first that does. One that cannot be
 * evaluated denies at once.
 *
 * @throws {ConfigurationError} for no requirement at all
 */
export function anyOf(...requirements: readonly Requirement[]): Requirement {
  return parseRequirement({ anyOf: requirements }, 'requirement')
}

/**
 * Passes when a function of yours returns true. The name is what a denial says to the operator.
 *
 * @throws {ConfigurationError} for a missing name or an async function: the decision never waits
 * @example custom('office hours', () => new Date().getHours() < 18)
 */
export function custom(name: string, test: CustomTest): Requirement
export function custom(name: string, test: CustomTest, ...more: readonly unknown[]): Requirement {
  refuseArguments('custom', more, 'a name and a function; several go into allOf() or anyOf()')
  return parseRequirement({ custom: { name, test } }, 'requirement')
}

/** Leaves it to the route: passes only a route that carries its own `allow`, which is then asked. Stands alone. */
export function perRoute(): Requirement
export function perRoute(...given: readonly unknown[]): Requirement {
  refuseArguments('perRoute', given, 'none')
  return parseRequirement({ perRoute: true }, 'requirement')
}

// Whatever is ignored silently, its author believes to be in force. An index is what `names.map(hasAuthority)` brings.
function refuseArguments(name: string, [found]: readonly unknown[], expected: string): void {
  if (found === undefined || typeof found === 'number') return
  const message = `${name}: found ${describeValue(found)} as a further argument, expected ${expected}`
  throw new ConfigurationError('option_invalid', message, { value: found })
}
