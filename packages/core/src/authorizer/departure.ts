import { EventEmitter } from 'node:events'
import type { ConnectedRequest } from '../connection/connection-registry.ts'

/** The caller of a request, while the request waits. */
export interface Departure {
  /** Aborted when the caller disconnects, or resets the stream of its request. */
  readonly signal: AbortSignal
  /** Stops watching. */
  readonly stop: () => void
}

/** Watches whether the caller of a request disconnects. */
export function watchDeparture(request: ConnectedRequest): Departure {
  const { httpVersionMajor, socket, stream } = request
  const carrier: unknown = httpVersionMajor < 2 ? socket : stream
  const controller = new AbortController()
  const { signal } = controller
  if (!isEmitter(carrier)) return { signal, stop: () => undefined }
  if ('destroyed' in carrier && carrier.destroyed === true) controller.abort(createReason())
  const waiting = waitingOn(carrier)
  waiting.add(controller)
  return { signal, stop: () => waiting.delete(controller) }
}

// One listener for each socket or stream. Pipelined requests share a socket, and Node warns about many listeners on
// one.
function waitingOn(carrier: EventEmitter): Set<AbortController> {
  const known = waitingOf.get(carrier)
  if (known !== undefined) return known
  const waiting = new Set<AbortController>()
  waitingOf.set(carrier, waiting)
  carrier.once('close', () => {
    for (const controller of waiting) controller.abort(createReason())
    waiting.clear()
  })
  return waiting
}

const waitingOf = new WeakMap<EventEmitter, Set<AbortController>>()

function isEmitter(value: unknown): value is EventEmitter {
  return value instanceof EventEmitter
}

function createReason(): DOMException {
  return new DOMException('the caller disconnected', 'AbortError')
}
