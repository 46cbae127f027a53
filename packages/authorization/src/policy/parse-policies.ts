import {
  findNearest,
  isRecord,
  parseDeadline,
  parseDuration,
  parseOptions,
  refuseValue,
} from '@countersign/spiffe/options'
import { refuseRule } from '../refuse-rule.ts'
import { parseHeaderCondition } from './header-condition.ts'
import { parsePolicyFrom } from './parse-from.ts'
import { parsePolicyTo } from './parse-to.ts'
import type { Policy } from './policy.ts'

/**
 * Parses policies into validated, frozen copies.
 *
 * @throws {ConfigurationError} `option_unknown`, `option_invalid` or `rule_invalid`; the message begins with the place,
 * such as `policies[3].to[0].paths[1]`
 */
export function parsePolicies(input: unknown, where: string = 'policies'): readonly Policy[] {
  const parse = createPolicyParser(where)
  return Object.freeze(Array.from(checkPolicyList(input, where), parse))
}

/**
 * Checks that the input is a list, and returns it unparsed. An empty list is allowed: it may mean `no caller`.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkPolicyList(input: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(input)) refuseValue(where, input, 'a list of policies')
  return input
}

/** Creates a function that parses the policies of one set one by one. Names have to be unique. */
export function createPolicyParser(where: string): (input: unknown, index: number) => Policy {
  const names = new Map<string, number>()
  return (input, index) => {
    const policy = parsePolicy(input, `${where}[${index}]`)
    const first = names.get(policy.name)
    if (first !== undefined) {
      refuseRule(`${where}[${index}].name`, policy.name, `a name other than that of ${where}[${first}]`)
    }
    names.set(policy.name, index)
    return policy
  }
}

function parsePolicy(input: unknown, where: string): Policy {
  const options = parseOptions(input, fields, where)
  const { from, to, when, maxLifetime, breakGlass, audit, declaredAt } = options
  const action = parseAction(options['action'], `${where}.action`)
  return Object.freeze({
    name: parseName(options['name'], `${where}.name`),
    action,
    ...(from !== undefined && { from: parseEntries(from, `${where}.from`, parsePolicyFrom) }),
    ...(to !== undefined && { to: parseEntries(to, `${where}.to`, parsePolicyTo) }),
    ...(when !== undefined && { when: parseEntries(when, `${where}.when`, parseHeaderCondition) }),
    ...parseEmergency(maxLifetime, breakGlass, action, where),
    ...(audit !== undefined && { audit: parseAudit(audit, `${where}.audit`) }),
    ...(declaredAt !== undefined && { declaredAt: parseText(declaredAt, `${where}.declaredAt`) }),
  })
}

const fields = ['name', 'action', 'from', 'to', 'when', 'maxLifetime', 'breakGlass', 'audit', 'declaredAt']

function parseName(input: unknown, where: string): string {
  const name = parseText(input, where)
  if (name.trim() !== name) refuseRule(where, input, 'no leading or trailing space')
  return name
}

function parseText(input: unknown, where: string): string {
  if (typeof input !== 'string' || input === '') refuseValue(where, input, 'a non-empty string')
  if (input.length > longestText || /[\p{Cc}\p{Cs}]/u.test(input)) {
    refuseRule(where, input, `at most ${longestText} characters and no control characters`)
  }
  return input
}

// Events contain names.
const longestText = 256

function parseAction(input: unknown, where: string): Policy['action'] {
  if (input === 'ALLOW' || input === 'DENY') return input
  const nearest = typeof input === 'string' ? findNearest(input, ['ALLOW', 'DENY']) : undefined
  return refuseValue(
    where,
    input,
    nearest === undefined ? "'ALLOW' or 'DENY'" : `'ALLOW' or 'DENY'; did you mean '${nearest}'?`,
  )
}

function parseEntries<Entry>(
  input: unknown,
  where: string,
  parse: (entry: unknown, where: string) => Entry,
): readonly Entry[] {
  if (!Array.isArray(input)) refuseValue(where, input, 'a list of entries')
  if (input.length === 0) refuseValue(where, input, 'at least one entry, or no such field')
  return Object.freeze(input.map((entry: unknown, index) => parse(entry, `${where}[${index}]`)))
}

function parseEmergency(
  maxLifetime: unknown,
  breakGlass: unknown,
  action: Policy['action'],
  where: string,
): Pick<Policy, 'maxLifetime' | 'breakGlass'> {
  if (breakGlass !== undefined) {
    const place = `${where}.breakGlass`
    if (breakGlass !== true) refuseValue(place, breakGlass, 'true, or no such field')
    if (action === 'DENY') refuseRule(place, breakGlass, 'it only in an ALLOW policy')
    if (maxLifetime === undefined) refuseRule(place, breakGlass, "maxLifetime beside it, such as maxLifetime: '1h'")
  }
  if (maxLifetime === undefined) return {}
  const place = `${where}.maxLifetime`
  if (action === 'DENY') refuseRule(place, maxLifetime, 'it only in an ALLOW policy')
  const milliseconds = parseDuration(maxLifetime, place)
  if (breakGlass === true && milliseconds > longestEmergency) {
    refuseRule(place, maxLifetime, "at most '24h', because the policy is for emergencies")
  }
  return { maxLifetime: milliseconds, ...(breakGlass === true && { breakGlass: true }) }
}

/** Milliseconds. */
const longestEmergency = 24 * 60 * 60 * 1000

function parseAudit(input: unknown, where: string): { readonly until: string } {
  if (!isRecord(input))
    refuseValue(where, input, "an object such as { until: '2026-12-31T00:00:00Z' }, because audit mode has to end")
  const { until } = parseOptions(input, ['until'], where)
  parseDeadline(until, `${where}.until`, Date.now())
  return Object.freeze({ until: String(until) })
}
