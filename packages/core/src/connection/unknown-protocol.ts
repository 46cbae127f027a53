import type { Server as TlsServer, TLSSocket } from 'node:tls'

/**
 * Answers callers that do not speak HTTP/2 to a server that speaks nothing else, and reports each: Node would answer 403,
 * which looks like a denial, and report nothing. A listener of the application's own is left alone.
 */
export function refuseUnknownProtocol(server: TlsServer, report: (socket: TLSSocket) => void): void {
  server.on('unknownProtocol', (socket: TLSSocket) => {
    // A peer that was refused has no connection any more.
    if (socket.destroyed || server.listenerCount('unknownProtocol') > 1) return
    report(socket)
    socket.on('error', () => undefined)
    // Read on, or what was sent already would reset the connection before the answer is there.
    socket.resume()
    socket.end(answer, () => setTimeout(() => socket.destroy(), patience).unref())
  })
}

/** Milliseconds for a caller to close its end after the answer. */
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
