import type { RouteOptions } from 'fastify'
import { ConfigurationError } from '@countersign/core'
import { isRecord, parseRequirement } from '@countersign/core/adapter'

/**
 * Refuses a route that restricts its callers where nothing reads it: Fastify accepts any key, so a misspelt
 * `config.allow` would start and protect nothing. Refused in `config` and among the options of the route:
 *
 * - a key that is `allow` but for its case, `-` and `_`, one letter, or the ending of another form of the word; and
 *   `allow` beside `config` instead of inside it;
 * - `allow` in front of one of our own words, such as `allowedCallers`, and the names of requirements;
 * - whatever its key, a value that is a requirement or a list with a SPIFFE ID, and an object with such an `allow`.
 *
 * Keys such as `allowList` and `allowedHosts` belong to other plugins and are accepted.
 *
 * @throws {ConfigurationError} `option_unknown`
 */
export function refuseMisplacedAllow(route: RouteOptions, where: string): void {
  const { config }: { readonly config?: unknown } = route
  for (const [key, value] of Object.entries(route)) {
    if (key !== 'config') check(key, value, where, '')
  }
  for (const [key, value] of isRecord(config) ? Object.entries(config) : []) {
    if (key !== 'allow') check(key, value, where, 'config.')
  }
  if (isRestriction(config)) refuse(where, 'found a requirement as config', 'config')
}

function check(key: string, value: unknown, where: string, place: '' | 'config.'): void {
  const path = `${place}${key}`
  if (place === '' && isNear(key, 'config')) refuse(where, `unknown option '${key}'; did you mean 'config'?`, key)
  if (isNear(key, 'allow') || isNear(key.replace(otherForms, ''), 'allow')) {
    refuse(where, `found ${path}, which nothing reads`, key)
  }
  if (compounds.test(key) || requirementNames.test(key)) refuse(where, `found ${path}, which nothing reads`, key)
  if (isRestriction(value) || isSpread(key, value)) {
    refuse(where, `found a requirement in ${path}, where nothing reads it`, key)
  }
  if (!isRecord(value)) return
  for (const [inner, allow] of Object.entries(value)) {
    if (!isNear(inner, 'allow') || !isRestriction(allow)) continue
    refuse(where, `found a requirement in ${path}.${inner}, where nothing reads it`, inner)
  }
}

const otherForms = /(?:s|ed|ing|able|ance)$/i

const compounds =
  /^allow(?:s|ed)?(?:only|from|for|to)?[-_]?(?:callers?|principals?|workloads?|peers?|spiffe_?ids?|svids?|service_?accounts?|authorit(?:y|ies)|namespaces?|trust_?domains?)$/i

const requirementNames =
  /^(?:hasAuthority|hasAnyAuthority|hasAllAuthorities|serviceAccounts|inNamespace|inTrustDomain|permitAll|denyAll|perRoute)$/

/** Whether a word is the other one but for its case, `-`, `_` and spaces, and at most one letter, or two that swapped places. */
function isNear(word: string, target: string): boolean {
  const letters = word.replace(/[-_\s]/g, '').toLowerCase()
  let start = 0
  while (start < target.length && letters[start] === target[start]) start += 1
  const [found, wanted] = [letters.slice(start), target.slice(start)]
  const isSwapped = found[0] === wanted[1] && found[1] === wanted[0] && found.slice(2) === wanted.slice(2)
  return isSwapped || [found, found.slice(1)].includes(wanted.slice(1)) || found.slice(1) === wanted
}

/** Whether a value can only be meant for us: a requirement, or a list with one or with a SPIFFE ID. */
function isRestriction(value: unknown): boolean {
  if (!Array.isArray(value)) return isRequirement(value)
  return value.some((entry: unknown) => (typeof entry === 'string' ? /^spiffe:/i.test(entry) : isRequirement(entry)))
}

/** Whether a key and its value are what `...hasAuthority('A')` leaves behind. */
function isSpread(key: string, value: unknown): boolean {
  return key !== 'authenticated' && isRequirement(Object.freeze({ [key]: value }))
}

function isRequirement(value: unknown): boolean {
  if (!isRecord(value)) return false
  // Words that other plugins use too; what our own functions make of them is frozen.
  if (('authenticated' in value || 'custom' in value) && !Object.isFrozen(value)) return false
  try {
    parseRequirement(value, '')
    return true
  } catch {
    return false
  }
}

function refuse(where: string, finding: string, value: string): never {
  throw new ConfigurationError(
    'option_unknown',
    `${where}: ${finding}; what a route demands of its callers is config: { allow: … }`,
    { value },
  )
}
