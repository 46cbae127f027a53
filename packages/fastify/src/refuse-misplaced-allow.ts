import type { RouteOptions } from 'fastify'
import { ConfigurationError } from '@countersign/core'
import { isRecord, parseRequirement } from '@countersign/core/adapter'
import { findOwnHook } from './route-allows.ts'

/**
 * Refuses a route that restricts its callers in a place that is not read. Fastify accepts any key, so a misspelled
 * `config.allow` would start and protect nothing. The following are refused, in `config` and among the route options:
 *
 * - A key that differs from `allow` only in case, `-`, `_`, one letter or a word ending; and `allow` next to `config`
 * instead of inside it.
 * - A key that combines `allow` with one of our terms, such as `allowedCallers`, or that is the name of a requirement.
 * - Under any key, a value that is a requirement or a list with a SPIFFE ID, or an object with such an `allow`.
 *
 * Keys such as `allowList` and `allowedHosts` belong to other plugins and are accepted.
 *
 * @throws {ConfigurationError} `option_unknown`
 */
export function refuseMisplacedAllow(route: RouteOptions, where: string): void {
  const subject: Subject = { where, remedy: 'to set the requirement of a route, write config: { allow: … }' }
  for (const key of Object.keys(route)) {
    if (isNear(key, 'config') && key !== 'config')
      refuse(subject, `unknown option '${key}'; did you mean 'config'?`, key)
  }
  const { config }: { readonly config?: unknown } = route
  checkOptions(route, config, subject)
}

/**
 * Refuses what looks like a restriction among the options of `app.register()`, because Fastify passes them to the
 * plugin without applying them to its routes. Refuses what is refused for a route, and also `allow` in `config` and
 * `allow(…)` hooks. Fastify does not expose the options of plugins wrapped in `fastify-plugin`, nor those that a
 * function returns.
 *
 * @throws {ConfigurationError} `option_unknown`
 */
export function refuseRestrictingOptions(options: object, prefix: string): void {
  const subject: Subject = {
    where: `the options of a plugin registered at '${prefix}/'`,
    remedy: "to set a requirement for all routes of a plugin, call child.addHook('onRequest', allow(…)) in it",
  }
  for (const [key, value] of Object.entries(options)) {
    const found = findOwnHook(value)
    if (found !== undefined) refuse(subject, `found ${found} as ${key}, which Fastify does not add as a hook`, key)
  }
  const { config }: { readonly config?: unknown } = options
  if (isRecord(config) && 'allow' in config) refuse(subject, 'found config.allow, which has no effect', 'allow')
  checkOptions(options, config, subject)
}

/** What is checked, and what to write instead. */
interface Subject {
  readonly where: string
  readonly remedy: string
}

function checkOptions(options: object, config: unknown, subject: Subject): void {
  for (const [key, value] of Object.entries(options)) {
    if (key !== 'config') check(key, value, subject, '')
  }
  for (const [key, value] of isRecord(config) ? Object.entries(config) : []) {
    if (key !== 'allow') check(key, value, subject, 'config.')
  }
  if (isRestriction(config)) refuse(subject, 'found a requirement as config', 'config')
}

function check(key: string, value: unknown, subject: Subject, place: '' | 'config.'): void {
  const path = `${place}${key}`
  if (isNear(key, 'allow') || isNear(key.replace(otherForms, ''), 'allow')) {
    refuse(subject, `found ${path}, which has no effect`, key)
  }
  if (compounds.test(key) || requirementNames.test(key)) refuse(subject, `found ${path}, which has no effect`, key)
  if (isRestriction(value) || isSpread(key, value)) {
    refuse(subject, `found a requirement in ${path}, where it has no effect`, key)
  }
  if (!isRecord(value)) return
  for (const [inner, allow] of Object.entries(value)) {
    if (!isNear(inner, 'allow') || !isRestriction(allow)) continue
    refuse(subject, `found a requirement in ${path}.${inner}, where it has no effect`, inner)
  }
}

const otherForms = /(?:s|ed|ing|able|ance)$/i

const compounds =
  /^allow(?:s|ed)?(?:only|from|for|to)?[-_]?(?:callers?|principals?|workloads?|peers?|spiffe_?ids?|svids?|service_?accounts?|authorit(?:y|ies)|namespaces?|trust_?domains?)$/i

const requirementNames =
  /^(?:hasAuthority|hasAnyAuthority|hasAllAuthorities|serviceAccounts|inNamespace|inTrustDomain|permitAll|denyAll|perRoute)$/

/**
 * Returns whether a word differs from the target only in case, `-`, `_` and spaces, and in at most one letter or two
 * swapped ones.
 */
function isNear(word: string, target: string): boolean {
  const letters = word.replace(/[-_\s]/g, '').toLowerCase()
  let start = 0
  while (start < target.length && letters[start] === target[start]) start += 1
  const [found, wanted] = [letters.slice(start), target.slice(start)]
  const isSwapped = found[0] === wanted[1] && found[1] === wanted[0] && found.slice(2) === wanted.slice(2)
  return isSwapped || [found, found.slice(1)].includes(wanted.slice(1)) || found.slice(1) === wanted
}

/** Returns whether a value can only be meant for us: a requirement, or a list that contains one or a SPIFFE ID. */
function isRestriction(value: unknown): boolean {
  if (!Array.isArray(value)) return isRequirement(value)
  return value.some((entry: unknown) => (typeof entry === 'string' ? /^spiffe:/i.test(entry) : isRequirement(entry)))
}

/** Returns whether a key and its value are the result of `...hasAuthority('A')`. */
function isSpread(key: string, value: unknown): boolean {
  return key !== 'authenticated' && isRequirement(Object.freeze({ [key]: value }))
}

function isRequirement(value: unknown): boolean {
  if (!isRecord(value)) return false
  // Other plugins use these words too, but objects from our own functions are frozen.
  if (('authenticated' in value || 'custom' in value) && !Object.isFrozen(value)) return false
  try {
    parseRequirement(value, '')
    return true
  } catch {
    return false
  }
}

function refuse({ where, remedy }: Subject, finding: string, value: string): never {
  throw new ConfigurationError('option_unknown', `${where}: ${finding}; ${remedy}`, { value })
}
