import { findNearest, parseOptions, parseStringList } from '@countersign/spiffe/options'
import { compileRequirement, type CompiledRequirement, type RequirementContext } from './compile-requirement.ts'
import type { Allowed } from './denial.ts'
import { httpMethods } from './http-methods.ts'
import { parsePathPattern, type SegmentPattern } from './path-pattern.ts'
import { refuseRule } from './refuse-rule.ts'
import type { Requirement } from './requirement.ts'

/** One line of the list of rules, of which the first that matches a request decides. */
export interface Rule {
  /**
   * Segments written decoded; `*` is exactly one non-empty segment, `**` stands only at the end: `/x/**` matches `/x`
   * and everything below it, dotfiles included.
   */
  readonly path: string
  /** Default: every method, OPTIONS included. When given, exactly these, in upper case; GET adds HEAD. */
  readonly methods?: readonly string[]
  /** What the caller must fulfil; a list of strings is `callers(...)`. */
  readonly allow: Requirement | readonly string[]
  /**
   * Accepts `%2F` within a segment: `*` then matches `ns%2Frepo` as the one segment that routers take it for. An earlier
   * rule for the path with the slash decoded has to allow the request as well. Default: false, such a target is answered
   * 400, because much that comes after a router decodes the path first.
   */
  readonly allowEncodedSlash?: boolean
}

/** A rule that cannot be wrong any more. */
export interface CompiledRule {
  /** Its place in the list, from 0, as denials and errors name it. */
  readonly index: number
  /** The path as written. */
  readonly text: string
  readonly pattern: SegmentPattern
  /** Undefined for every method; HEAD is with GET. */
  readonly methods: ReadonlySet<string> | undefined
  readonly allow: CompiledRequirement
  /** Whether it matches segments with an encoded slash. */
  readonly allowEncodedSlash: boolean
  /** The decision that this rule lets a request pass. */
  readonly allowed: Allowed
  /** The decision that this rule leaves a request to its route. */
  readonly leftToRoute: Allowed
}

/**
 * Reads one rule.
 *
 * @throws {ConfigurationError} with the place, what was found there and what to write instead
 */
export function parseRule(input: unknown, index: number, context: Omit<RequirementContext, 'where'>): CompiledRule {
  const where = `rules[${index}]`
  const options = parseOptions(input, ['path', 'methods', 'allow', 'allowEncodedSlash'], where)
  const { path, methods, allow, allowEncodedSlash } = options
  const pattern = parsePathPattern(path, `${where}.path`)
  return Object.freeze({
    index,
    text: pattern.rest ? `${pattern.path}/**` : pattern.path,
    pattern,
    methods: methods === undefined ? undefined : parseMethods(methods, `${where}.methods`),
    allow: compileRequirement(allow, { ...context, where: `${where}.allow` }),
    allowEncodedSlash: parseEncodedSlash(allowEncodedSlash, pattern, `${where}.allowEncodedSlash`),
    allowed: Object.freeze({ effect: 'allow', rule: index, isLeftToRoute: false }),
    leftToRoute: Object.freeze({ effect: 'allow', rule: index, isLeftToRoute: true }),
  })
}

/** How a rule is named in messages. */
export function describeRule({ index, text, methods }: CompiledRule): string {
  return `rules[${index}] (${methods === undefined ? '' : `${[...methods].join(', ')} `}${text})`
}

function parseEncodedSlash(input: unknown, { path, rest }: SegmentPattern, where: string): boolean {
  if (input === undefined) return false
  if (typeof input !== 'boolean') refuseRule(where, input, 'true or false')
  if (input && !rest && !path.split('/').includes('*')) {
    refuseRule(where, input, "a path with '*' or '**': no other segment can match one with an encoded slash")
  }
  return input
}

// Both frameworks answer HEAD with the handler of GET.
function parseMethods(input: unknown, where: string): ReadonlySet<string> {
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
