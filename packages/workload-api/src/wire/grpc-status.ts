import { constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2'

/** How a call ended. */
export interface CallStatus {
  /** The name of the gRPC status. */
  readonly code: string
  readonly details: string
}

/** Returns the status in headers or trailers, or undefined if there is none. */
export function readStatus(fields: IncomingHttpHeaders): CallStatus | undefined {
  const { 'grpc-status': number, 'grpc-message': message } = fields
  if (typeof number !== 'string') return undefined
  const code = (/^\d+$/.test(number) ? names[Number(number)] : undefined) ?? `status ${number}`
  return { code, details: typeof message === 'string' ? decodeDetails(message) : '' }
}

/** Returns the number of a status. */
export function numberOfStatus(name: string): number {
  const number = names.indexOf(name)
  return number === -1 ? names.indexOf('UNKNOWN') : number
}

/** Encodes the details of a status for a header. */
export function encodeDetails(details: string): string {
  return encodeURIComponent(details).replaceAll('%20', ' ')
}

/** Returns the error of response headers without a status, or undefined if messages can follow. */
export function refuseResponse(fields: IncomingHttpHeaders & IncomingHttpStatusHeader): CallStatus | undefined {
  const { ':status': status, 'content-type': type = 'none' } = fields
  if (status !== 200) return { code: byHttpStatus.get(status ?? 0) ?? 'UNKNOWN', details: `HTTP status ${status}` }
  if (type.startsWith('application/grpc')) return undefined
  return { code: 'UNKNOWN', details: `content-type: found ${type.slice(0, 100)}, expected application/grpc` }
}

/**
 * Returns the status for a stream that ended without one
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors).
 */
export function statusOfReset(code: number): CallStatus {
  return { code: byReset.get(code) ?? 'INTERNAL', details: `the stream was reset with HTTP/2 error ${code}` }
}

const names: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

// https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, without 403: only an agent can deny us an
// SVID, and it uses a gRPC status for that.
const byHttpStatus: ReadonlyMap<number, string> = new Map([
  [400, 'INTERNAL'],
  [401, 'UNAUTHENTICATED'],
  [404, 'UNIMPLEMENTED'],
  [429, 'UNAVAILABLE'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'UNAVAILABLE'],
])

const byReset: ReadonlyMap<number, string> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, 'UNAVAILABLE'],
  [constants.NGHTTP2_CANCEL, 'CANCELLED'],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'RESOURCE_EXHAUSTED'],
])

// Percent-encoded UTF-8. Invalid text is shown unchanged.
function decodeDetails(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
