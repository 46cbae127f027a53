import { isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'
import {
  countSegments,
  credentialKinds,
  isCredentialKind,
  isTrustDomainName,
  parseAuthority,
} from '../parse-requirement.ts'
import { type CallerSuggestions, parseCallerPattern } from '../pattern.ts'
import type { CredentialKind } from '../principal.ts'
import { refuseRule } from '../refuse-rule.ts'
import { parseAddressBlock } from './address-block.ts'
import { parseTexts, refuseContradiction } from './parse-lists.ts'
import type { PolicyFrom } from './policy.ts'

/**
 * Parses an entry of `from` into a frozen copy.
 *
 * @throws {ConfigurationError} the message states where, what was found and what to write instead
 */
export function parsePolicyFrom(input: unknown, where: string): PolicyFrom {
  if (typeof input === 'string') refuseValue(where, input, `an entry such as { callers: ['${input}'] }`)
  if (!isRecord(input)) refuseValue(where, input, 'an entry with fields such as callers')
  const options = parseOptions(input, fields, where)
  const from: Writable = {}
  for (const [field, not, parse] of listFields) {
    if (options[field] !== undefined) from[field] = parseTexts(options[field], `${where}.${field}`, parse)
    if (options[not] !== undefined) from[not] = parseTexts(options[not], `${where}.${not}`, parse)
    refuseContradiction(from[field], from[not], `${where}.${not}`)
  }
  for (const key of ['credentials', 'notCredentials'] as const) {
    if (options[key] !== undefined) from[key] = parseCredentials(options[key], `${where}.${key}`)
  }
  refuseContradiction(from.credentials, from.notCredentials, `${where}.notCredentials`)
  if (options['anonymous'] !== undefined) from.anonymous = parseAnonymous(options, where)
  return Object.freeze(from)
}

type Writable = { -readonly [Field in keyof PolicyFrom]: PolicyFrom[Field] }
type ListField = Exclude<keyof PolicyFrom, 'anonymous' | 'credentials' | 'notCredentials'>
type ParseText = (text: string, where: string) => string

/** Each field with its negative form and the parser of its values. */
const listFields: readonly (readonly [ListField, ListField, ParseText])[] = [
  ['callers', 'notCallers', parseCaller],
  ['serviceAccounts', 'notServiceAccounts', parseServiceAccount],
  ['namespaces', 'notNamespaces', parseNamespace],
  ['trustDomains', 'notTrustDomains', parseTrustDomainName],
  ['authorities', 'notAuthorities', parseAuthority],
  ['ipBlocks', 'notIpBlocks', parseBlock],
  ['remoteIpBlocks', 'notRemoteIpBlocks', parseBlock],
]

const fields: readonly string[] = [
  ...listFields.flatMap(([field, not]) => [field, not]),
  'credentials',
  'notCredentials',
  'anonymous',
]

function parseCaller(text: string, where: string): string {
  parseCallerPattern(text, where, suggestFields)
  return text
}

const suggestFields: CallerSuggestions = {
  authority: (authority) => `authorities: ['${authority}']`,
  trustDomain: (trustDomain) => `trustDomains: ['${trustDomain}']`,
}

function parseServiceAccount(text: string, where: string): string {
  if (countSegments(text) === 2) return text
  return refuseRule(where, text, "a pair such as 'production/core-api'; for a whole namespace use namespaces")
}

function parseNamespace(text: string, where: string): string {
  if (countSegments(text) === 1) return text
  return refuseRule(where, text, "a namespace such as 'production'; for a pair use serviceAccounts")
}

function parseTrustDomainName(text: string, where: string): string {
  if (isTrustDomainName(text)) return text
  return refuseRule(where, text, 'the name of a trust domain; for SPIFFE IDs use callers')
}

function parseBlock(text: string, where: string): string {
  parseAddressBlock(text, where)
  return text.toLowerCase()
}

function parseCredentials(input: unknown, where: string): readonly CredentialKind[] {
  const texts = parseTexts(input, where, (text, place) => {
    if (!isCredentialKind(text)) refuseRule(place, text, `one of ${credentialKinds.join(', ')}`)
    return text
  })
  return Object.freeze(texts.filter(isCredentialKind))
}

function parseAnonymous(options: Readonly<Record<string, unknown>>, where: string): true {
  if (options['anonymous'] !== true) {
    refuseValue(`${where}.anonymous`, options['anonymous'], 'true; for callers with a credential, leave it out')
  }
  const other = fields.find(
    (field) => options[field] !== undefined && field !== 'anonymous' && !/IpBlocks$|^ipBlocks$/.test(field),
  )
  if (other !== undefined) {
    refuseRule(
      where,
      `anonymous and ${other}`,
      'anonymous only beside ipBlocks and remoteIpBlocks, because such a caller has no name; add an entry for the other callers',
    )
  }
  return true
}
