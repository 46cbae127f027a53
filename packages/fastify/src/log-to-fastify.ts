import type { FastifyBaseLogger } from 'fastify'
import type { AuthenticationEvent, CountersignEvent, SourceEvent } from '@countersign/core'

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
    const target = event.type === 'denial' ? (deciding.log ?? log) : log
    target[level]({ countersign: event }, describe(event))
  }
}

function levelOf(event: CountersignEvent): 'info' | 'warn' | 'error' {
  if (event.type !== 'source') return 'warn'
  if (event.outcome === 'refused') return 'error'
  // Closing the source is deliberate.
  if (event.outcome === 'lost') return event.code === 'source_closed' ? 'info' : 'error'
  if (event.outcome === 'warning') return 'warn'
  // Most issuers renew at half of the lifetime.
  return event.outcome === 'expiring' && event.remaining !== 0.5 ? 'warn' : 'info'
}

function describe(event: CountersignEvent): string {
  if (event.type === 'source') return describeSource(event)
  const what = event.type === 'denial' ? `denied: ${event.reason}` : describePeer(event)
  return event.repeated === undefined ? what : `${what}, ${event.repeated} more`
}

function describeSource({ outcome, detail }: SourceEvent): string {
  return `source ${outcome}: ${detail}`
}

function describePeer({ outcome, reason = '' }: AuthenticationEvent): string {
  return outcome === 'refused' ? `peer refused: ${reason}` : `peer accepted: ${reason}`
}
