import { parseOptions, refuseValue } from '@countersign/spiffe/options'
import { refuseRule } from '../refuse-rule.ts'
import { parseTexts, refuseContradiction } from './parse-lists.ts'
import type { PolicyHeader } from './policy.ts'

/**
 * Parses a condition on a header into a frozen copy with a lower-case name.
 *
 * @throws {ConfigurationError} the message states where, what was found and what to write instead
 */
export function parseHeaderCondition(input: unknown, where: string): PolicyHeader {
  const { header, values, notValues } = parseOptions(input, ['header', 'values', 'notValues'], where)
  const name = parseHeaderName(header, `${where}.header`)
  if (values === undefined && notValues === undefined) {
    refuseRule(where, input, "values or notValues; values: ['*'] matches every request that has the header")
  }
  const condition = {
    header: name,
    ...(values !== undefined && { values: parseTexts(values, `${where}.values`, parseHeaderValue) }),
    ...(notValues !== undefined && { notValues: parseTexts(notValues, `${where}.notValues`, parseHeaderValue) }),
  }
  refuseContradiction(condition.values, condition.notValues, `${where}.notValues`)
  return Object.freeze(condition)
}

/** Creates a test whether a value matches one of these values, which may begin or end with `*`. */
export function createValueTest(values: readonly string[]): (value: string) => boolean {
  const whole = new Set(values.filter((value) => !value.startsWith('*') && !value.endsWith('*')))
  const starts = values.flatMap((value) => (value.endsWith('*') ? [value.slice(0, -1)] : []))
  const ends = values.flatMap((value) => (value.startsWith('*') && value !== '*' ? [value.slice(1)] : []))
  return (value) => {
    if (whole.has(value)) return true
    for (const start of starts) if (value.startsWith(start)) return true
    for (const end of ends) if (value.endsWith(end)) return true
    return false
  }
}

/** Returns the elements of a header line that is a list (RFC 9110 §5.6.1), or undefined if it has no comma. */
export function splitHeaderLine(line: string): readonly string[] | undefined {
  if (!line.includes(',')) return undefined
  return line
    .split(',')
    .map(trimSpace)
    .filter((element) => element !== '')
}

// A regular expression would take quadratic time for a long run of spaces inside the text.
function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start += 1
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function parseHeaderName(input: unknown, where: string): string {
  if (typeof input !== 'string' || input === '') refuseValue(where, input, 'the name of a header')
  const name = input.toLowerCase()
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) refuseRule(where, input, 'the name of a header')
  const instead = findReplacement(name)
  if (instead !== undefined) refuseRule(where, input, instead)
  return name
}

function findReplacement(name: string): string | undefined {
  const [, instead] = replacements.find(([pattern]) => pattern.test(name)) ?? []
  return instead
}

const caller =
  'callers, serviceAccounts or authorities in from, because this header identifies a caller only if a listed proxy sent it'
const secret = 'credentials in from, because this header carries a credential and policies are not secret'
const address = 'remoteIpBlocks in from, because callers can send this header themselves'

// The names come from policies, so these expressions never run on text from a request.
const replacements: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/^(?:proxy-)?authorization$|^(?:set-)?cookie2?$|^dpop$|^x-(?:api-key|auth-token|access-token)$/, secret],
  [
    /client-?cert|tls-?cert|viewer-cert|ssl[-_](?:client|cert|chain|issuer|subject|san)|^l5d-|^x-spiffe|^x-client-spiffe/,
    caller,
  ],
  [
    /^forwarded$|^x-forwarded-for$|^x-real-ip$|-client-ip$|^cf-connecting-ip|^fastly-client-ip|^x-envoy-external-address$/,
    address,
  ],
  [/^host$|^x-forwarded-host$|^x-original-host$/, 'hosts in to'],
  [/^x-forwarded-(?:port|proto|server|prefix|by)$/, 'ports in to, because callers can send this header themselves'],
  [/^x-original-(?:url|uri)$|^x-rewrite-url$|^x-forwarded-uri$/, 'paths in to'],
  [/^x-(?:http-)?method(?:-override)?$|^x-forwarded-method$/, 'methods in to'],
  [
    /^connection$|^transfer-encoding$|^content-length$|^upgrade$|^te$|^trailer$|^keep-alive$|^proxy-connection$/,
    'a header that is for the application, because this one is for the connection',
  ],
]

function parseHeaderValue(value: string, where: string): string {
  if (value.trim() !== value || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
    refuseRule(where, value, 'text without leading or trailing space, as a header can contain it')
  }
  const inner = value.replace(/^\*|\*$/, '')
  if (inner.includes('*')) refuseRule(where, value, "one '*', at the start or at the end")
  return value
}
