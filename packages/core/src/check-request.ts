import { describeValue } from '@countersign/spiffe/options'
import type { GuardedRequest } from './guarded-request.ts'

/** Why a value is not a request as Node emits it, for the operator; undefined for one that is. */
export function describeMisuse(request: unknown): string | undefined {
  if (typeof request === 'object' && request !== null && 'rawHeaders' in request && 'socket' in request) {
    return undefined
  }
  return `found ${describeValue(request)} in place of a request, expected the one that Node emitted, which is request.raw in Fastify`
}

/** In place of a request that is not one, to report a denial. */
export const noRequest: GuardedRequest = Object.freeze({
  httpVersionMajor: 1,
  headers: Object.freeze({}),
  rawHeaders: Object.freeze([]),
  socket: Object.freeze({}),
})
