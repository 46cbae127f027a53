import { describeValue } from '@countersign/spiffe/options'
import type { GuardedRequest } from './guarded-request.ts'

/** Describes, for the operator, why a value is not a request as Node emits it. Returns undefined if it is one. */
export function describeMisuse(request: unknown): string | undefined {
  if (typeof request === 'object' && request !== null && 'rawHeaders' in request && 'socket' in request) {
    return undefined
  }
  return `found ${describeValue(request)}, expected the request that Node emitted, which is request.raw in Fastify`
}

/** A placeholder with which to report a denial when the value passed is not a request. */
export const noRequest: GuardedRequest = Object.freeze({
  httpVersionMajor: 1,
  headers: Object.freeze({}),
  rawHeaders: Object.freeze([]),
  socket: Object.freeze({}),
})
