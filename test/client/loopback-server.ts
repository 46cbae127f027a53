import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { TestContext } from 'node:test'
import type { TestSvid } from '@countersign/testkit'

/** A loopback server that presents any certificate, requests one and accepts every client. */
export class LoopbackServer {
  readonly url: string
  readonly port: number
  readonly requests: IncomingMessage[] = []
  /** The number of connections. */
  attempts = 0
  /** The number of completed handshakes. */
  handshakes = 0
  readonly #server: Server
  readonly #options: ServerOptions
  readonly #sockets = new Set<TLSSocket>()

  private constructor(server: Server, port: number, options: ServerOptions) {
    this.#server = server
    this.#options = options
    this.port = port
    this.url = `https://127.0.0.1:${port}`
    server.on('secureConnection', (socket) => {
      this.handshakes += 1
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('connection', () => (this.attempts += 1))
    server.on('request', (request) => this.requests.push(request))
  }

  /** `options` are TLS options in addition to those for the SVID. */
  static async start(
    context: TestContext,
    svid: TestSvid,
    answer: RequestListener = greet,
    options: ServerOptions = {},
  ): Promise<LoopbackServer> {
    const shown = { key: svid.keyPem, cert: svid.certificatePem }
    const server = createServer({ requestCert: true, rejectUnauthorized: false, ...options, ...shown }, answer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const started = new LoopbackServer(server, port, options)
    context.after(() => started.close())
    return started
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#sockets.size
  }

  /** The server sides of the open connections. */
  get sockets(): readonly TLSSocket[] {
    return [...this.#sockets]
  }

  /** Presents another certificate in handshakes from now on. */
  show(svid: TestSvid): void {
    this.#server.setSecureContext({ ...this.#options, key: svid.keyPem, cert: svid.certificatePem })
  }

  /** Calls back for each completed handshake. */
  onHandshake(listener: (socket: TLSSocket) => void): void {
    this.#server.on('secureConnection', listener)
  }

  /** Calls back for each handshake that this server aborts. */
  onRefusedHandshake(listener: () => void): void {
    this.#server.on('tlsClientError', listener)
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

/** Responds with the serial number of the caller's certificate. */
export const greet: RequestListener = (request, response) => {
  response.end(callerOf(request))
}

/** The serial number of the caller's certificate in lower-case hex. */
export function callerOf({ socket }: { readonly socket: object }): string {
  const shown: unknown = Reflect.get(socket, 'getPeerX509Certificate')
  if (typeof shown !== 'function') return ''
  const certificate: unknown = Reflect.apply(shown, socket, [])
  return certificate instanceof X509Certificate ? certificate.serialNumber.toLowerCase() : ''
}
