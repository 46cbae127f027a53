import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { FrameReader } from './grpc-frames.ts'
import { type CallStatus, readStatus, refuseResponse, statusOfReset } from './grpc-status.ts'

/** The callbacks of a call. */
export interface CallListener {
  readonly message: (bytes: Buffer) => void
  /** Called for every event that ends the call. The first one counts. */
  readonly over: (status: CallStatus) => void
  /**
   * Returns the status of a call whose connection is lost, or undefined while it is up. Takes the error of the stream.
   */
  readonly findLoss: (error: Error | undefined) => CallStatus | undefined
}

/** Reads the response to a call until its end (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export function followCall(stream: ClientHttp2Stream, longestMessage: number, listener: CallListener): void {
  const { message, over, findLoss } = listener
  const reader = new FrameReader(longestMessage)
  let status: CallStatus | undefined
  stream.on('response', (fields) => {
    // If there is no message, the status is in the headers.
    status = readStatus(fields)
    const refusal = status === undefined ? refuseResponse(fields) : undefined
    if (refusal !== undefined) over(refusal)
  })
  stream.on('data', (chunk: Buffer) => {
    const found = reader.push(chunk)
    if (found === 'too_long') {
      over({ code: 'RESOURCE_EXHAUSTED', details: `the message is longer than ${longestMessage} bytes` })
    } else if (found === 'compressed') {
      over({ code: 'INTERNAL', details: 'the message is compressed, although compression was not offered' })
    } else for (const bytes of found) message(bytes)
  })
  stream.on('trailers', (fields: IncomingHttpHeaders) => {
    status = readStatus(fields) ?? status
  })
  let failure: Error | undefined
  stream.on('error', (error: Error) => (failure = error))
  stream.on('close', () => {
    if (status?.code === 'OK' && !reader.isEmpty) {
      over({ code: 'INTERNAL', details: 'the stream ended in the middle of a message' })
    }
    over(status ?? findLoss(failure) ?? describeEnd(stream.rstCode))
  })
}

/** Returns the request headers of a call. */
export function createHeaders(path: string, timeoutMs: number | undefined): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': path,
    // On a Unix socket the authority would be the path, which HTTP/2 libraries reject.
    ':authority': 'localhost',
    te: 'trailers',
    'content-type': 'application/grpc',
    'user-agent': 'countersign',
    // SPIFFE Workload Endpoint §3: this header proves that the caller intends to use this API. A browser cannot be
    // tricked into sending it.
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
