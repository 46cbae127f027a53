import type { Policy, PolicyFrom, PolicyTo, Rule } from '@countersign/authorization'
import { isRecord, refuseValue } from '@countersign/spiffe/options'
import type { ParsedDocument } from '../policy-document.ts'

/** Identifies a probable mistake. */
export type PolicyWarningCode =
  | 'allow_by_address'
  | 'allow_everything'
  | 'allow_negative_callers'
  | 'audit_over'
  | 'deny_everything'
  | 'empty_entry'
  | 'path_without_subtree'
  | 'split_entry'

/** A probable mistake in a valid document. */
export interface PolicyWarning {
  readonly code: PolicyWarningCode
  /** Where the rule or policy is, such as `billing.yaml:12:5`. */
  readonly declaredAt: string
  /** The name of the policy; undefined for a rule. */
  readonly policy?: string
  readonly message: string
}

/** Options of `policyWarnings`. */
export interface PolicyWarningOptions {
  /** Epoch milliseconds. Default: the current time. */
  readonly now?: number
}

/**
 * Returns the rules and policies of a document that are valid but probably a mistake.
 *
 * @throws {ConfigurationError} `option_invalid` if it is not a parsed document
 */
export function policyWarnings(
  document: Pick<ParsedDocument, 'rules' | 'policies'>,
  { now = Date.now() }: PolicyWarningOptions = {},
): readonly PolicyWarning[] {
  const given: unknown = document
  if (!isRecord(given) || !Array.isArray(given['policies'])) {
    refuseValue('policyWarnings', document, 'what parsePolicyDocument() returns')
  }
  const { rules = [], policies } = document
  return [
    ...rules.flatMap((rule) => locate(rule, findAuditOver(rule, now))),
    ...policies.flatMap((policy) => locate(policy, [...findAuditOver(policy, now), ...findInPolicy(policy)])),
  ]
}

type Finding = Pick<PolicyWarning, 'code' | 'message'>

function locate(entry: Rule | Policy, findings: readonly Finding[]): readonly PolicyWarning[] {
  const { declaredAt = '' } = entry
  return findings.map((finding) => ({ ...finding, declaredAt, ...('name' in entry && { policy: entry.name }) }))
}

function findAuditOver({ audit }: Rule | Policy, now: number): readonly Finding[] {
  if (audit === undefined || Date.parse(audit.until) > now) return []
  return [{ code: 'audit_over', message: `audit mode ended at ${audit.until}, so this is enforced; remove audit` }]
}

function findInPolicy({ action, from, to, when }: Policy): readonly Finding[] {
  return [
    ...(from === undefined && to === undefined && when === undefined ? [describeUnlimited(action)] : []),
    ...findEmpty('from', from),
    ...findEmpty('to', to),
    ...findSplit('from', from),
    ...findSplit('to', to),
    ...(action === 'ALLOW' ? (from ?? []).flatMap(findWeakCallers) : []),
    ...(to ?? []).flatMap((operation) => findPaths(operation, action)),
  ]
}

function describeUnlimited(action: Policy['action']): Finding {
  return action === 'ALLOW'
    ? { code: 'allow_everything', message: 'it matches every request of every caller; add from or to' }
    : { code: 'deny_everything', message: 'it denies every request; add from, to or when' }
}

/** Finds an entry without fields, which makes the other entries meaningless. */
function findEmpty(field: 'from' | 'to', entries: readonly object[] = []): readonly Finding[] {
  if (entries.every((entry) => Object.keys(entry).length > 0)) return []
  return [
    {
      code: 'empty_entry',
      message: `an entry of ${field} is empty and matches everything; leave out ${field} instead`,
    },
  ]
}

/**
 * Finds entries with one field each, all different, which were probably meant as one entry: entries are alternatives.
 */
function findSplit(field: 'from' | 'to', entries: readonly object[] = []): readonly Finding[] {
  const names = entries.map((entry) => Object.keys(entry))
  const isSplit = names.length > 1 && names.every(({ length }) => length === 1)
  if (!isSplit || new Set(names.flat()).size < names.length) return []
  const message = `the entries of ${field} are alternatives: ${names.flat().join(' or ')}; to require all of them, write one entry`
  return [{ code: 'split_entry', message }]
}

function findWeakCallers(entry: PolicyFrom): readonly Finding[] {
  const names = Object.keys(entry)
  if (names.length === 0) return []
  if (names.every((name) => addresses.includes(name))) {
    const message =
      'every authenticated caller with one of these addresses matches, because an address identifies no caller; add callers'
    return [{ code: 'allow_by_address', message }]
  }
  const isNegative = names.every((name) => name.startsWith('not') || addresses.includes(name))
  if (!isNegative) return []
  const message =
    'every other caller matches, including those of partners; list the callers to allow, and deny the others in a DENY policy'
  return [{ code: 'allow_negative_callers', message }]
}

const addresses: readonly string[] = ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks']

/** Finds denied or excluded paths that were probably meant to include everything below them. */
function findPaths({ paths = [], notPaths = [] }: PolicyTo, action: Policy['action']): readonly Finding[] {
  const closed = action === 'DENY' ? paths : notPaths
  return closed
    .filter((path) => !path.endsWith('/**') && path !== '/' && !closed.includes(`${path}/**`))
    .map((path) => ({
      code: 'path_without_subtree',
      message: `'${path}' does not match the paths below it; write '${path}/**' to include them`,
    }))
}
