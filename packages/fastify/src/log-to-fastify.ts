import type { FastifyBaseLogger } from 'fastify'
import type { AuthenticationEvent, CountersignEvent, SourceEvent } from '@countersign/core'

/** The request that is being decided, so that its denial is logged by its own logger, with its `reqId`. */
export class DecidingRequest {
  log: EventLog | undefined
}

/** What of Fastify's logger is needed. */
export type EventLog = Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>

/**
 * Writes events to Fastify's logger: an update that was refused and a loss as errors, refused peers, denials and whatever
 * somebody should look at as warnings, what is usual as information. A denial made in a hook goes to the logger of its
 * request.
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
  // Whoever closes the source knows it.
  if (event.outcome === 'lost') return event.code === 'source_closed' ? 'info' : 'error'
  if (event.outcome === 'warning') return 'warn'
  // Half is when most issuers renew.
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
