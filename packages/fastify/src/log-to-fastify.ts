import type { FastifyBaseLogger } from 'fastify'
import type {
  AuditEvent,
  AuthenticationEvent,
  CountersignEvent,
  DenialEvent,
  ModeEvent,
  PolicyEvent,
  SourceEvent,
} from '@countersign/core'

/** The request being decided, so that its own logger, with its `reqId`, logs the denial. */
export class DecidingRequest {
  log: EventLog | undefined
}

/** What is needed of Fastify's logger. */
export type EventLog = Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>

/**
 * Writes events to Fastify's logger. Refused updates and losses of the source are errors. Refused peers, denials and
 * other events that need attention are warnings. Everything else is information. A denial made in a hook goes to the
 * logger of its request.
 */
export function logToFastify(log: EventLog, deciding: DecidingRequest): (event: CountersignEvent) => void {
  return (event) => {
    const level = levelOf(event)
    const target = event.type === 'denial' || event.type === 'audit' ? (deciding.log ?? log) : log
    target[level]({ countersign: event }, describe(event))
  }
}

function levelOf(event: CountersignEvent): 'info' | 'warn' | 'error' {
  if (event.type === 'mode') return levelOfMode(event)
  if (event.type === 'policy') return levelOfPolicy(event)
  if (event.type !== 'source') return 'warn'
  if (event.outcome === 'refused') return 'error'
  // Closing the source is deliberate.
  if (event.outcome === 'lost') return event.code === 'source_closed' ? 'info' : 'error'
  if (event.outcome === 'warning') return 'warn'
  // Most issuers renew at half of the lifetime.
  return event.outcome === 'expiring' && event.remaining !== 0.5 ? 'warn' : 'info'
}

// A mode that ended before the service started is a configuration that was forgotten.
function levelOfMode({ outcome }: ModeEvent): 'info' | 'warn' | 'error' {
  if (outcome === 'expired') return 'error'
  return outcome === 'started' ? 'warn' : 'info'
}

function levelOfPolicy({ outcome }: PolicyEvent): 'info' | 'warn' | 'error' {
  if (outcome === 'refused') return 'error'
  return outcome === 'warning' || outcome === 'break-glass' ? 'warn' : 'info'
}

function describe(event: CountersignEvent): string {
  if (event.type === 'source') return describeSource(event)
  if (event.type === 'policy') return `policies ${event.outcome}: ${event.detail}`
  if (event.type === 'mode' || event.type === 'review') return event.detail
  const what = describeRequest(event)
  return event.repeated === undefined ? what : `${what}, ${event.repeated} more`
}

function describeRequest(event: AuditEvent | AuthenticationEvent | DenialEvent): string {
  if (event.type === 'authentication') return describePeer(event)
  return event.type === 'audit' ? `would be denied: ${event.reason}` : `denied: ${event.reason}`
}

function describeSource({ outcome, detail }: SourceEvent): string {
  return `source ${outcome}: ${detail}`
}

function describePeer({ outcome, reason = '' }: AuthenticationEvent): string {
  return outcome === 'refused' ? `peer refused: ${reason}` : `peer accepted: ${reason}`
}
