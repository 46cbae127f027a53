import type { Server as TlsServer, TLSSocket } from 'node:tls'

/**
 * Answers and reports clients of an HTTP/2-only server that do not use HTTP/2. Node alone would answer 403, which looks
 * like a denial, and would report nothing. The application's own listener takes precedence.
 */
export function refuseUnknownProtocol(server: TlsServer, report: (socket: TLSSocket) => void): void {
  server.on('unknownProtocol', (socket: TLSSocket) => {
    if (server.listenerCount('unknownProtocol') > 1) return
    report(socket)
    socket.on('error', () => undefined)
    // Keep reading; otherwise data that was already sent would reset the connection before the answer arrives.
    socket.resume()
    socket.end(answer, () => setTimeout(() => socket.destroy(), patience).unref())
  })
}

/** Milliseconds for a client to close its side after the answer. */
const patience = 5000

const body = 'this server speaks HTTP/2 only\n'
const answer = [
  'HTTP/1.1 505 HTTP Version Not Supported',
  'connection: close',
  'content-type: text/plain',
  `content-length: ${body.length}`,
  '',
  body,
].join('\r\n')
