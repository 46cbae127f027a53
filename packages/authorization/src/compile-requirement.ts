import { ConfigurationError } from '@countersign/spiffe/id'
import type { PossibleCallers } from './possible-callers.ts'
import { parseRequirement, refuseLoneAnonymous } from './parse-requirement.ts'
import { createSegmentTest } from './policy/caller-tree.ts'
import type { CredentialKind } from './principal.ts'
import { refuseUnmeetable } from './refuse-unmeetable.ts'
import type { Requirement } from './requirement.ts'
import {
  checkAllAuthorities,
  checkAllOf,
  checkAnonymous,
  checkAnyAuthority,
  checkAnyOf,
  checkAuthenticated,
  checkCallers,
  checkCredential,
  checkCustom,
  checkNamespaces,
  checkServiceAccounts,
  checkTrustDomains,
  denyAlways,
  passAlways,
  passNoRoute,
  type RequirementTest,
} from './check-requirement.ts'

/** A validated requirement that is ready to be tested. A passing test allocates nothing. */
export interface CompiledRequirement {
  /** The requirement as data, deeply frozen. */
  readonly source: Requirement
  /** True for `perRoute()`, which is decided by the route's own requirement. */
  readonly deferToRoute: boolean
  /** True if a caller that is not authenticated can meet it, while permissive mode lasts. */
  readonly admitsAnonymous: boolean
  /** Never throws and never waits. */
  readonly test: RequirementTest
}

/** The configuration that a requirement depends on. */
export interface RequirementContext {
  /** The position for error messages, such as `rules[3].allow`. */
  readonly where: string
  /**
   * The only trust domain in which namespaces and service accounts are meaningful. Undefined if callers have no SPIFFE
   * IDs.
   */
  readonly localTrustDomain: string | undefined
  /** The callers that can exist. A requirement that none of them can meet is refused. Default: not checked. */
  readonly callers?: PossibleCallers | undefined
  /**
   * Compares caller patterns segment by segment, without regular expressions: for rules from documents. The verdicts are
   * the same. Default: false.
   */
  readonly comparesSegments?: boolean | undefined
}

/**
 * Compiles a requirement, or a list of caller patterns, into its test.
 *
 * @throws {ConfigurationError} `option_unknown`, `option_invalid` or `rule_invalid`; the message says where, what was
 * found and what to write. `rule_invalid` also if none of `callers` can meet the requirement
 */
export function compileRequirement(input: unknown, context: RequirementContext): CompiledRequirement {
  const source = parseRequirement(input, context.where)
  refuseLoneAnonymous(source, context.where)
  const test = compileTest(source, { ...context, named: hasWeakCallers(context) ? none : undefined })
  if (context.callers !== undefined) refuseUnmeetable(source, context.callers, context.where)
  return Object.freeze({ source, deferToRoute: 'perRoute' in source, admitsAnonymous: admitsAnonymous(source), test })
}

/**
 * Compiles the requirement of a route, for which `perRoute()` would refer to itself.
 *
 * @throws {ConfigurationError} as `compileRequirement` does, and `rule_invalid` for `perRoute()`
 */
export function compileRouteRequirement(input: unknown, context: RequirementContext): CompiledRequirement {
  const compiled = compileRequirement(input, context)
  if (!compiled.deferToRoute) return compiled
  throw new ConfigurationError(
    'rule_invalid',
    `${context.where}: found perRoute(), expected the route's own requirement`,
    {
      value: compiled.source,
    },
  )
}

/** Where a part of a requirement is compiled. */
interface PartContext extends RequirementContext {
  /**
   * The credentials that `provenBy()` names beside this part, or around it. Undefined if no caller has a weak one, so that
   * there is nothing to compare.
   */
  readonly named: ReadonlySet<CredentialKind> | undefined
}

const none: ReadonlySet<CredentialKind> = new Set()

function compileTest(source: Requirement, context: PartContext): RequirementTest {
  const { named } = context
  const compileAll = (parts: readonly Requirement[], within: PartContext): readonly RequirementTest[] =>
    parts.map((part) => compileTest(part, within))
  if ('hasAuthority' in source) return checkAnyAuthority([source.hasAuthority], named)
  if ('hasAnyAuthority' in source) return checkAnyAuthority(source.hasAnyAuthority, named)
  if ('hasAllAuthorities' in source) return checkAllAuthorities(source.hasAllAuthorities, named)
  if ('authenticated' in source) return checkAuthenticated(named)
  if ('permitAll' in source) return passAlways
  if ('denyAll' in source) return denyAlways
  if ('anonymous' in source) return checkAnonymous
  if ('provenBy' in source) return checkCredential(source.provenBy)
  if ('allOf' in source) {
    const within = named === undefined ? undefined : new Set([...named, ...listNamed(source)])
    return checkAllOf(compileAll(source.allOf, { ...context, named: within }))
  }
  if ('anyOf' in source) return checkAnyOf(compileAll(source.anyOf, context))
  if ('custom' in source) return checkCustom(source.custom.name, source.custom.test, named)
  if ('perRoute' in source) return passNoRoute
  return compileSpiffeTest(source, context)
}

function hasWeakCallers({ callers }: RequirementContext): boolean {
  return callers === undefined || callers.credentials.has('asserted') || callers.credentials.has('jwt-svid')
}

// All parts of `allOf()` have to be met, so a credential that one of them names is named for the others.
function listNamed(source: Requirement): readonly CredentialKind[] {
  if ('provenBy' in source) return source.provenBy
  return 'allOf' in source ? source.allOf.flatMap(listNamed) : []
}

function admitsAnonymous(source: Requirement): boolean {
  if ('anyOf' in source) return source.anyOf.some(admitsAnonymous)
  if ('allOf' in source) return source.allOf.every(admitsAnonymous)
  return 'permitAll' in source || 'anonymous' in source
}

type SpiffeRequirement = Extract<
  Requirement,
  | { readonly callers: unknown }
  | { readonly serviceAccounts: unknown }
  | { readonly inNamespace: unknown }
  | { readonly inTrustDomain: unknown }
>

function compileSpiffeTest(
  source: SpiffeRequirement,
  { where, localTrustDomain, named, comparesSegments }: PartContext,
): RequirementTest {
  if (localTrustDomain === undefined) {
    const [kind = ''] = Object.keys(source)
    const message = `${where}: found ${kind}, expected a requirement that does not use SPIFFE IDs, such as hasAuthority(), because callers of a CA without SPIFFE have none`
    throw new ConfigurationError('rule_invalid', message, { value: kind })
  }
  if ('callers' in source) {
    const { callers } = source
    return checkCallers(callers, named, comparesSegments === true ? createSegmentTest(callers) : undefined)
  }
  if ('serviceAccounts' in source) return checkServiceAccounts(source.serviceAccounts, localTrustDomain, named)
  if ('inNamespace' in source) return checkNamespaces(source.inNamespace, localTrustDomain, named)
  return checkTrustDomains(source.inTrustDomain, named)
}
