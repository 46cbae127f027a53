import type { FastifyBaseLogger } from 'fastify'
import type { CountersignEvent } from '@countersign/core'

/** Writes events to Fastify's logger: failures of the source as errors, refused peers and denials as warnings. */
export function logToFastify(log: FastifyBaseLogger): (event: CountersignEvent) => void {
  return (event) => {
    if (event.type === 'source') log.error({ countersign: event }, `source: ${event.detail}`)
    else if (event.type === 'denial') log.warn({ countersign: event }, `denied: ${event.reason}`)
    else log.warn({ countersign: event }, `peer refused: ${event.reason}`)
  }
}
