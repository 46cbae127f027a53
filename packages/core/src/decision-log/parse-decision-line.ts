import type { DenialCode, DenialReason } from '@countersign/authorization'
import { isRecord } from '@countersign/spiffe/options'
import type { DecisionLine, DroppedLine, WouldBeLine } from './decision-line.ts'

/**
 * Parses a line of a decision log. Returns undefined for any other text, for an unknown version, and for a truncated
 * line. Ignores unknown fields, because fields may be added to version 1.
 *
 * @example
 *
 *     parseDecisionLine(text)?.principal
 */
export function parseDecisionLine(text: string): DecisionLine | undefined {
  const line = parseLogLine(text)
  return line?.type === 'decision' ? line : undefined
}

/** Parses a line of a decision log of either type; see `parseDecisionLine`. */
export function parseLogLine(text: string): DecisionLine | DroppedLine | undefined {
  if (text.length > longestLine) return undefined
  const value = parseJson(text)
  if (!isRecord(value) || value['version'] !== 1 || !isTime(value['time'])) return undefined
  if (value['type'] === 'dropped') return parseDropped(value, value['time'])
  return value['type'] === 'decision' ? parseDecision(value, value['time']) : undefined
}

/** Characters: several times the longest line that is written. */
export const longestLine: number = 1024 * 1024

type Fields = Readonly<Record<string, unknown>>

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseDropped({ rate, queue, failed }: Fields, time: string): DroppedLine | undefined {
  if (!isCount(rate) || !isCount(queue) || !isCount(failed)) return undefined
  return { version: 1, type: 'dropped', time, rate, queue, failed }
}

function parseDecision(fields: Fields, time: string): DecisionLine | undefined {
  const { effect, method, path, pathState, principal, sampled, wouldBe } = fields
  if (effect !== 'allow' && effect !== 'deny') return undefined
  if (typeof method !== 'string' || typeof path !== 'string') return undefined
  if (pathState !== undefined && pathState !== 'redacted' && pathState !== 'cut') return undefined
  if (principal !== null && typeof principal !== 'string') return undefined
  if (typeof sampled !== 'number' || !(sampled > 0 && sampled <= 1)) return undefined
  const common = { version: 1, type: 'decision', time, effect, method, path, principal, sampled } as const
  const state: Pick<DecisionLine, 'pathState'> = pathState === undefined ? {} : { pathState }
  const texts = parseTexts(fields, ['credential', 'proxy', 'policy', 'revision', 'remoteAddress'])
  const rule = parseRule(fields)
  if (texts === undefined || rule === undefined) return undefined
  if (effect === 'deny') {
    const reason = wouldBe === undefined ? parseReason(fields) : undefined
    return reason && { ...common, ...state, ...texts, ...rule, ...reason }
  }
  if (wouldBe === undefined) return { ...common, ...state, ...texts, ...rule }
  const denial = parseWouldBe(wouldBe)
  return denial && { ...common, ...state, ...texts, ...rule, wouldBe: denial }
}

function parseWouldBe(value: unknown): WouldBeLine | undefined {
  if (!isRecord(value) || value['effect'] !== 'deny') return undefined
  const reason = parseReason(value)
  const rule = parseRule(value)
  const texts = parseTexts(value, ['policy'])
  if (reason === undefined || rule === undefined || texts === undefined) return undefined
  return { effect: 'deny', ...reason, ...rule, ...texts }
}

type Reason = Pick<WouldBeLine, 'id' | 'status' | 'code' | 'reason' | 'missing'>

function parseReason({ id, status, code, reason, missing }: Fields): Reason | undefined {
  if (typeof id !== 'string' || !isCode(code) || !isReason(reason)) return undefined
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 400 || status > 599) return undefined
  if (missing === undefined) return { id, status, code, reason }
  return isTextList(missing) ? { id, status, code, reason, missing } : undefined
}

function parseRule({ rule }: Fields): Pick<DecisionLine, 'rule'> | undefined {
  if (rule === undefined) return {}
  return isCount(rule) ? { rule } : undefined
}

/** Returns those of the named fields that are present, or undefined if one is not a string. */
function parseTexts<Name extends string>(
  fields: Fields,
  names: readonly Name[],
): { readonly [Key in Name]?: string } | undefined {
  const texts: { [Key in Name]?: string } = {}
  for (const name of names) {
    const value = fields[name]
    if (value === undefined) continue
    if (typeof value !== 'string') return undefined
    texts[name] = value
  }
  return texts
}

// Values may be added to both sets without a new version, so accept any word.
function isCode(value: unknown): value is DenialCode {
  return typeof value === 'string' && word.test(value)
}

function isReason(value: unknown): value is DenialReason {
  return typeof value === 'string' && word.test(value)
}

const word = /^[a-z][a-z_]{0,63}$/

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && timePattern.test(value) && !Number.isNaN(Date.parse(value))
}

const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/
