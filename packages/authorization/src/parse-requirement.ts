import { parseTrustDomain, SpiffeId } from '@countersign/spiffe/id'
import { isCallable, isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'
import { parseCallerPattern } from './pattern.ts'
import { refuseRule } from './refuse-rule.ts'
import type { CredentialKind } from './principal.ts'
import type { CustomTest, Requirement } from './requirement.ts'

/**
 * Parses a requirement into a validated, frozen copy. A list of strings means `callers(...)`.
 *
 * @throws {ConfigurationError} `option_unknown` for an unknown key; `option_invalid` for a value of the wrong type;
 * `rule_invalid` for a value that is well-formed but cannot be intended
 */
export function parseRequirement(input: unknown, where: string, depth = 1): Requirement {
  if (Array.isArray(input)) {
    if (input.some(isRequirementLike))
      refuseValue(where, input, 'one requirement; combine several with anyOf(a, b) or allOf(a, b)')
    return Object.freeze({ callers: parseCallers(input, where) })
  }
  if (!isRecord(input)) refuseValue(where, input, `a requirement such as ${suggestCall(input)}`)
  if (depth > deepest) refuseRule(where, input, `at most ${deepest} levels of nested requirements`)
  const options = parseOptions(input, keys, where)
  const found = keys.filter((key) => Object.hasOwn(options, key))
  const [key] = found
  const expected = 'exactly one kind of requirement; combine with allOf() or anyOf()'
  if (key === undefined) refuseRule(where, input, expected)
  if (found.length > 1) refuseRule(where, found.join(' and '), expected)
  return Object.freeze(parsers[key](options[key], `${where}.${key}`, depth))
}

// Far deeper than any useful requirement. The limit also stops the recursion if a requirement contains itself.
const deepest = 32

type KeyOf<Kind> = Kind extends unknown ? keyof Kind : never
type Key = KeyOf<Requirement>

const parsers: Readonly<Record<Key, (value: unknown, where: string, depth: number) => Requirement>> = {
  hasAuthority: (value, where) => ({ hasAuthority: parseAuthority(value, where) }),
  hasAnyAuthority: (value, where) => ({ hasAnyAuthority: parseAuthorities(value, where) }),
  hasAllAuthorities: (value, where) => ({ hasAllAuthorities: parseAuthorities(value, where) }),
  authenticated: (value, where) => ({ authenticated: parseTrue(value, where) }),
  permitAll: (value, where) => ({ permitAll: parseTrue(value, where) }),
  denyAll: (value, where) => ({ denyAll: parseTrue(value, where) }),
  anonymous: (value, where) => ({ anonymous: parseTrue(value, where) }),
  provenBy: (value, where) => ({ provenBy: parseCredentials(value, where) }),
  callers: (value, where) => ({ callers: parseCallers(value, where) }),
  serviceAccounts: (value, where) => ({ serviceAccounts: parseEntries(value, where, checkServiceAccount) }),
  inNamespace: (value, where) => ({ inNamespace: parseEntries(value, where, checkNamespace) }),
  inTrustDomain: (value, where) => ({ inTrustDomain: parseEntries(value, where, checkTrustDomain) }),
  allOf: (value, where, depth) => ({ allOf: parseParts(value, where, depth) }),
  anyOf: (value, where, depth) => ({ anyOf: parseParts(value, where, depth) }),
  custom: (value, where) => ({ custom: parseCustom(value, where) }),
  perRoute: (value, where) => ({ perRoute: parseTrue(value, where) }),
}

const keys = Object.keys(parsers).filter((key): key is Key => Object.hasOwn(parsers, key))

function parseTrue(value: unknown, where: string): true {
  if (value !== true) refuseValue(where, value, 'true; to require the opposite, use another requirement')
  return true
}

/**
 * Parses an authority.
 *
 * @throws {ConfigurationError} `option_invalid` or `rule_invalid`
 */
export function parseAuthority(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') refuseValue(where, value, 'a non-empty string')
  if (value.trim() !== value || /\p{Cc}/u.test(value)) {
    refuseRule(where, value, 'no leading or trailing space and no control characters, because every byte is compared')
  }
  return value
}

function parseAuthorities(value: unknown, where: string): readonly string[] {
  return parseEntries(value, where, parseAuthority)
}

function parseCallers(value: unknown, where: string): readonly string[] {
  return parseEntries(value, where, parseCallerPattern)
}

function parseEntries(
  value: unknown,
  where: string,
  check: (entry: string, where: string) => unknown,
): readonly string[] {
  if (Array.isArray(value) && Array.isArray(value[0])) {
    refuseValue(`${where}[0]`, value[0], 'each entry as a separate argument; write ...list')
  }
  const entries = parseStringList(value, where)
  for (const [index, entry] of entries.entries()) check(entry, `${where}[${index}]`)
  return Object.freeze(entries)
}

// A name that no SPIFFE ID can contain would produce a requirement that no caller can meet.
function checkServiceAccount(entry: string, where: string): void {
  if (countSegments(entry) === 2) return
  refuseRule(where, entry, "a pair such as 'production/core-api'; for a whole namespace use inNamespace()")
}

function checkNamespace(entry: string, where: string): void {
  if (countSegments(entry) === 1) return
  refuseRule(where, entry, "a namespace such as 'production'; for a pair use serviceAccounts()")
}

/** Returns the number of segments that text has as the path of a SPIFFE ID, or 0 if it cannot be one. */
export function countSegments(path: string): number {
  try {
    return SpiffeId.parse(`spiffe://any/${path}`).segments.length
  } catch {
    return 0
  }
}

// A whole SPIFFE ID is refused here, although it names its trust domain, because its author meant one workload.
function checkTrustDomain(entry: string, where: string): void {
  if (isTrustDomainName(entry)) return
  refuseRule(where, entry, 'the name of a trust domain; for SPIFFE IDs use callers()')
}

/** Returns whether text is exactly the name of a trust domain. */
export function isTrustDomainName(text: string): boolean {
  try {
    return parseTrustDomain(text) === text
  } catch {
    return false
  }
}

function parseCredentials(value: unknown, where: string): readonly CredentialKind[] {
  const credentials: CredentialKind[] = []
  for (const entry of parseEntries(value, where, () => undefined)) {
    if (!isCredentialKind(entry)) refuseRule(where, entry, `one of ${credentialKinds.join(', ')}`)
    credentials.push(entry)
  }
  return Object.freeze(credentials)
}

/** Returns whether a value names a kind of credential. */
export function isCredentialKind(value: unknown): value is CredentialKind {
  return credentialKinds.some((kind) => kind === value)
}

/** Every kind of credential. */
export const credentialKinds: readonly CredentialKind[] = [
  'x509-svid',
  'x509-subject',
  'forwarded',
  'asserted',
  'jwt-svid',
]

/**
 * Refuses `anonymous()` where it would admit callers for which nothing else is planned: outside `anyOf()`, and inside one
 * without another requirement.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseLoneAnonymous(requirement: Requirement, where: string): void {
  const expected = 'anonymous() inside anyOf(), beside what such callers will have to meet later'
  if ('anonymous' in requirement) refuseRule(where, 'anonymous()', expected)
  if ('allOf' in requirement) {
    for (const [index, part] of requirement.allOf.entries()) refuseLoneAnonymous(part, `${where}.allOf[${index}]`)
  }
  if (!('anyOf' in requirement)) return
  const others = requirement.anyOf.filter((part) => !('anonymous' in part))
  if (others.length === 0) refuseRule(where, 'only anonymous()', expected)
  for (const part of others) refuseLoneAnonymous(part, `${where}.anyOf`)
}

function parseParts(value: unknown, where: string, depth: number): readonly Requirement[] {
  if (!Array.isArray(value)) refuseValue(where, value, 'a list of requirements')
  if (value.length === 0) refuseValue(where, value, 'at least one requirement')
  const parts = value.map((part: unknown, index) => parseRequirement(part, `${where}[${index}]`, depth + 1))
  if (parts.some((part) => 'perRoute' in part)) {
    refuseRule(where, value, "no perRoute() inside it, because the route's own requirement is always checked as well")
  }
  return Object.freeze(parts)
}

function parseCustom(value: unknown, where: string): { readonly name: string; readonly test: CustomTest } {
  const options = parseOptions(value, ['name', 'test'], where)
  const name = parseAuthority(options['name'], `${where}.name`)
  const test = options['test']
  if (!isCustomTest(test)) refuseValue(`${where}.test`, test, 'a function that returns true or false')
  if (Object.prototype.toString.call(test) === '[object AsyncFunction]') {
    refuseRule(`${where}.test`, test, 'a synchronous function, because a decision never waits')
  }
  return Object.freeze({ name, test })
}

function isCustomTest(value: unknown): value is CustomTest {
  return isCallable(value)
}

function isRequirementLike(entry: unknown): boolean {
  return isRecord(entry) && keys.some((key) => key in entry)
}

function isWithoutArguments(key: Key): boolean {
  return withoutArguments.includes(key)
}

const withoutArguments: readonly Key[] = ['authenticated', 'permitAll', 'denyAll', 'anonymous', 'perRoute']

/** Returns the call that was most likely meant by a value that is not a requirement. */
function suggestCall(input: unknown): string {
  const name: unknown = typeof input === 'function' ? input.name : input
  if (typeof name !== 'string' || name === '') return 'authenticated()'
  if (name.startsWith('spiffe://')) return `callers('${name}')`
  const key = keys.find((each) => each === name)
  if (key !== undefined) return `${key}(${isWithoutArguments(key) ? '' : '…'})`
  return typeof input === 'function' ? `custom('${name}', ${name})` : `hasAuthority('${name}')`
}
