import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { FrameReader } from './grpc-frames.ts'
import { type CallStatus, readStatus, refuseResponse, statusOfReset } from './grpc-status.ts'

/** What comes of a call. */
export interface CallListener {
  readonly message: (bytes: Buffer) => void
  /** Called for each thing that ends the call; the first one counts. */
  readonly over: (status: CallStatus) => void
  /** The status of a call whose connection is gone, or undefined while it is there; takes what the stream failed with. */
  readonly findLoss: (error: Error | undefined) => CallStatus | undefined
}

/** Follows the answer to a call to its end (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export function followCall(stream: ClientHttp2Stream, longestMessage: number, listener: CallListener): void {
  const { message, over, findLoss } = listener
  const reader = new FrameReader(longestMessage)
  let status: CallStatus | undefined
  stream.on('response', (fields) => {
    // Where nothing follows, the status is in the head.
    status = readStatus(fields)
    const refusal = status === undefined ? refuseResponse(fields) : undefined
    if (refusal !== undefined) over(refusal)
  })
  stream.on('data', (chunk: Buffer) => {
    const found = reader.push(chunk)
    if (found === 'too_long') {
      over({ code: 'RESOURCE_EXHAUSTED', details: `the message is longer than ${longestMessage} bytes` })
    } else if (found === 'compressed') {
      over({ code: 'INTERNAL', details: 'the message is compressed, which was not offered' })
    } else for (const bytes of found) message(bytes)
  })
  stream.on('trailers', (fields: IncomingHttpHeaders) => {
    status = readStatus(fields) ?? status
  })
  let failure: Error | undefined
  stream.on('error', (error: Error) => (failure = error))
  stream.on('close', () => {
    if (status?.code === 'OK' && !reader.isEmpty) {
      over({ code: 'INTERNAL', details: 'the stream ended within a message' })
    }
    over(status ?? findLoss(failure) ?? describeEnd(stream.rstCode))
  })
}

/** The head of a call. */
export function createHeaders(path: string, timeoutMs: number | undefined): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': path,
    // On a Unix socket it would be the path, which HTTP/2 libraries refuse.
    ':authority': 'localhost',
    te: 'trailers',
    'content-type': 'application/grpc',
    'user-agent': 'countersign',
    // SPIFFE Workload Endpoint §3: it shows that the caller means this API, and no browser can be made to send it.
    'workload.spiffe.io': 'true',
    ...(timeoutMs !== undefined && { 'grpc-timeout': formatTimeout(timeoutMs) }),
  }
}

function describeEnd(resetCode: number): CallStatus {
  if (resetCode !== constants.NGHTTP2_NO_ERROR) return statusOfReset(resetCode)
  return { code: 'INTERNAL', details: 'the stream ended without a status' }
}

// At most eight digits.
function formatTimeout(milliseconds: number): string {
  const rounded = Math.max(1, Math.ceil(milliseconds))
  return rounded < 1e8 ? `${rounded}m` : `${Math.min(Math.ceil(rounded / 1000), 99_999_999)}S`
}
