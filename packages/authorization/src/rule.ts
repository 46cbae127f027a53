import {
  findNearest,
  isRecord,
  parseDeadline,
  parseOptions,
  parseStringList,
  refuseValue,
} from '@countersign/spiffe/options'
import { compileRequirement, type CompiledRequirement, type RequirementContext } from './compile-requirement.ts'
import type { Allowed } from './denial.ts'
import { httpMethods } from './http-methods.ts'
import { parseRequirement, refuseLoneAnonymous } from './parse-requirement.ts'
import { parsePathPattern, type SegmentPattern } from './path-pattern.ts'
import { refuseRule } from './refuse-rule.ts'
import type { Requirement } from './requirement.ts'

/** One rule of the list, of which the first that matches a request decides. */
export interface Rule {
  /**
   * The path, with decoded segments. `*` matches exactly one non-empty segment. `**` is allowed only at the end:
   * `/x/**` matches `/x` and everything below it, including dotfiles.
   */
  readonly path: string
  /** The methods, in upper case; GET includes HEAD. Default: every method, including OPTIONS. */
  readonly methods?: readonly string[]
  /** What the caller must satisfy. A list of strings means `callers(...)`. */
  readonly allow: Requirement | readonly string[]
  /**
   * Accepts `%2F` within a segment: `*` then matches `ns%2Frepo` as the single segment that routers see. An earlier
   * rule for the path with the slash decoded has to allow the request as well. Default: false, which answers such a
   * target with 400, because much code behind a router decodes the path first.
   */
  readonly allowEncodedSlash?: boolean
  /**
   * Until this time (ISO 8601 with a time zone, at most 366 days ahead), the rule is evaluated and reported but not
   * enforced: the next rule that matches decides. Afterwards it is enforced without a restart.
   */
  readonly audit?: { readonly until: string }
  /** Where the rule was written, such as `billing.yaml:12:5`. For messages only. */
  readonly declaredAt?: string
}

/** A validated rule. */
export interface CompiledRule {
  /** The position in the list, from 0, as denials and errors report it. */
  readonly index: number
  /** The path as written. */
  readonly text: string
  /** The methods and the path, such as `GET, HEAD /invoices/**`; only the path without `methods`. */
  readonly route: string
  readonly pattern: SegmentPattern
  /** Undefined means every method. GET includes HEAD. */
  readonly methods: ReadonlySet<string> | undefined
  readonly allow: CompiledRequirement
  /** True if it matches segments with an encoded slash. */
  readonly allowEncodedSlash: boolean
  /** Epoch milliseconds: the rule is in audit mode until then. Undefined if it is enforced. */
  readonly auditUntil: number | undefined
  /** Where the rule was written, if it is from a document. */
  readonly declaredAt: string | undefined
  /** The decision that allows a request by this rule. */
  readonly allowed: Allowed
  /** The decision that leaves a request to its route by this rule. */
  readonly leftToRoute: Allowed
}

/**
 * Parses one rule.
 *
 * @throws {ConfigurationError} the message states where, what was found and what to write instead
 */
export function parseRule(input: unknown, index: number, context: Omit<RequirementContext, 'where'>): CompiledRule {
  const where = `rules[${index}]`
  const { allow, pattern, methods, allowEncodedSlash, auditUntil, declaredAt } = parseFields(input, where)
  const text = pattern.rest ? `${pattern.path}/**` : pattern.path
  return Object.freeze({
    index,
    text,
    route: methods === undefined ? text : `${[...methods].join(', ')} ${text}`,
    pattern,
    methods,
    allow: compileRequirement(allow, { ...context, where: `${where}.allow` }),
    allowEncodedSlash,
    auditUntil,
    declaredAt,
    allowed: Object.freeze({ effect: 'allow', rule: index, isLeftToRoute: false }),
    leftToRoute: Object.freeze({ effect: 'allow', rule: index, isLeftToRoute: true }),
  })
}

/**
 * Checks one rule as far as that is possible without knowing the guard: whether callers can meet it, or it can be
 * reached, is not checked.
 *
 * @throws {ConfigurationError} as `parseRule` does
 */
export function checkRule(input: unknown, where: string): void {
  const { allow } = parseFields(input, where)
  refuseLoneAnonymous(parseRequirement(allow, `${where}.allow`), `${where}.allow`)
}

type ParsedFields = Pick<CompiledRule, 'pattern' | 'methods' | 'allowEncodedSlash' | 'auditUntil' | 'declaredAt'> & {
  readonly allow: unknown
}

function parseFields(input: unknown, where: string): ParsedFields {
  const options = parseOptions(input, ['path', 'methods', 'allow', 'allowEncodedSlash', 'audit', 'declaredAt'], where)
  const { path, methods, allow, allowEncodedSlash, audit, declaredAt } = options
  const pattern = parsePathPattern(path, `${where}.path`)
  return {
    allow,
    pattern,
    methods: methods === undefined ? undefined : parseMethods(methods, `${where}.methods`),
    allowEncodedSlash: parseEncodedSlash(allowEncodedSlash, pattern, `${where}.allowEncodedSlash`),
    auditUntil: audit === undefined ? undefined : parseAudit(audit, `${where}.audit`),
    declaredAt: declaredAt === undefined ? undefined : parseDeclaredAt(declaredAt, `${where}.declaredAt`),
  }
}

// It becomes part of events.
function parseDeclaredAt(input: unknown, where: string): string {
  if (typeof input === 'string' && input.length <= 256 && !/[\p{Cc}\p{Cs}]/u.test(input)) return input
  return refuseValue(where, input, "at most 256 characters such as 'billing.yaml:12:5'")
}

/** Returns the name of a rule for messages, and where it was written if that is known. */
export function describeRule({ index, route, declaredAt }: CompiledRule): string {
  return `rules[${index}] (${route}${declaredAt === undefined ? '' : `, ${declaredAt}`})`
}

function parseAudit(input: unknown, where: string): number {
  if (!isRecord(input))
    refuseValue(where, input, "an object such as { until: '2026-12-31T00:00:00Z' }, because audit mode has to end")
  const { until } = parseOptions(input, ['until'], where)
  return parseDeadline(until, `${where}.until`, Date.now())
}

function parseEncodedSlash(input: unknown, { path, rest }: SegmentPattern, where: string): boolean {
  if (input === undefined) return false
  if (typeof input !== 'boolean') refuseRule(where, input, 'true or false')
  if (input && !rest && !path.split('/').includes('*')) {
    refuseRule(where, input, "a path with '*' or '**', because no other segment can match an encoded slash")
  }
  return input
}

/**
 * Parses a list of methods into a set. GET includes HEAD, because both frameworks answer HEAD with the handler of GET.
 *
 * @throws {ConfigurationError} `option_invalid` or `rule_invalid`
 */
export function parseMethods(input: unknown, where: string): ReadonlySet<string> {
  const methods = parseStringList(input, where)
  for (const [index, method] of methods.entries()) {
    if (!httpMethods.includes(method)) refuseRule(`${where}[${index}]`, method, suggestMethod(method))
    if (methods.indexOf(method) < index) refuseRule(`${where}[${index}]`, method, 'each method once')
  }
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
}

function suggestMethod(method: string): string {
  const nearest = findNearest(method, httpMethods)
  return nearest === undefined
    ? `one of ${httpMethods.join(', ')}`
    : `an HTTP method in upper case; did you mean '${nearest}'?`
}
