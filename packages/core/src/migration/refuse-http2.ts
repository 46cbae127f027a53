import type { Duplex } from 'node:stream'

/**
 * Refuses HTTP/2 without TLS, which a client begins with a preface instead of a request. The answer is in HTTP/2, so that
 * the client can report the reason: our settings, then GOAWAY with the code HTTP_1_1_REQUIRED.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-6.8
 */
export function refuseHttp2(socket: Duplex): void {
  socket.end(answer)
  // Closing with unread data would reset the connection, and the client might lose the answer.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), drainTime)
  socket.once('close', () => clearTimeout(timer))
}

/** Milliseconds. */
const drainTime = 1000

const reason = Buffer.from('HTTP/2 requires TLS on this port; use TLS, or HTTP/1.1')

const answer = Buffer.concat([
  frame(0x4, Buffer.alloc(0)),
  // The last stream that was processed (none), then the error code HTTP_1_1_REQUIRED (RFC 9113 §7).
  frame(0x7, Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 0xd]), reason])),
])

// RFC 9113 §4.1: length, type, flags, stream 0.
function frame(type: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 0, payload.length, type, 0, 0, 0, 0, 0]), payload])
}
