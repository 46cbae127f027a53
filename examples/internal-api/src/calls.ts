import type { CallerName } from './callers.ts'

/** One call of the demo and its expected result. */
export interface Call {
  readonly caller: CallerName
  readonly request: Request
  readonly expected: Answer
}

/** A path to GET, or the expiry of the certificate of an open, idle connection. */
type Request = `/${string}` | 'connection at expiry'

/** The response to the caller, and the reason that is logged for the operator. */
export interface Answer {
  /** A status, or that the connection closed. */
  readonly seen: string
  /** The reason that the guard reports; absent if nothing was denied. */
  readonly reason?: string
}

const passes: Answer = { seen: '200' }
const lacksAuthority: Answer = { seen: '403', reason: 'authority_missing' }
const uncovered: Answer = { seen: '403', reason: 'no_rule' }
const ends = (reason: string): Answer => ({ seen: ended, reason })

/** The result for a caller whose connection closes without a response. */
export const ended = 'connection closed'

const billing = '/internal/billing/invoices'
const analytics = '/internal/analytics/reports'
const health = '/internal/health'
const metrics = '/metrics'

const table: readonly (readonly [CallerName, Request, Answer])[] = [
  ['core-api', billing, passes],
  ['core-api', analytics, passes],
  ['core-api', health, passes],
  ['core-api', metrics, uncovered],
  ['analytics-service', billing, lacksAuthority],
  ['analytics-service', analytics, passes],
  ['analytics-service', health, passes],
  ['analytics-service', metrics, uncovered],
  ['notification-service', billing, lacksAuthority],
  ['notification-service', analytics, lacksAuthority],
  ['notification-service', health, passes],
  ['core-api of staging', billing, lacksAuthority],
  ['core-api of staging', analytics, lacksAuthority],
  ['core-api of staging', health, passes],
  ['core-api of partner', billing, lacksAuthority],
  ['core-api of partner', health, passes],
  ['no certificate', health, ends('certificate_missing')],
  ['core-api, wrong CA', billing, ends('signature_invalid')],
  ['core-api, signed by partner', billing, ends('unknown_authority')],
  ['core-api, two URI SANs', billing, ends('several_uri_sans')],
  ['core-api, for 3 seconds', billing, passes],
  ['core-api, for 3 seconds', 'connection at expiry', { seen: ended }],
  ['core-api, for 3 seconds', billing, ends('expired')],
]

/** All calls in execution order. The calls of one caller share a connection while it is open. */
export const calls: readonly Call[] = table.map(([caller, request, expected]) => ({ caller, request, expected }))
