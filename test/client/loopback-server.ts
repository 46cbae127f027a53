import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { TestContext } from 'node:test'
import { X509Certificate } from 'node:crypto'
import type { TestSvid } from '@countersign/testkit'

/** A server on loopback that shows whatever certificate it is given, asks for one and refuses nobody. */
export class LoopbackServer {
  readonly url: string
  readonly port: number
  readonly requests: IncomingMessage[] = []
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
    this.url = `https://127.0.0.1:${port}`
    server.on('secureConnection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request) => this.requests.push(request))
  }

  static async start(context: TestContext, svid: TestSvid, answer: RequestListener = greet): Promise<LoopbackServer> {
    const server = createServer(
      { key: svid.keyPem, cert: svid.certificatePem, requestCert: true, rejectUnauthorized: false },
      answer,
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const started = new LoopbackServer(server, port)
    context.after(() => started.close())
    return started
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Shows another certificate in handshakes from now on. */
  show(svid: TestSvid): void {
    this.#server.setSecureContext({ key: svid.keyPem, cert: svid.certificatePem })
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

/** Answers with the serial number of the certificate that the caller showed. */
export const greet: RequestListener = (request, response) => {
  response.end(callerOf(request))
}

/** The serial number of the certificate that the caller showed, lower-case hex. */
export function callerOf(request: IncomingMessage): string {
  const { socket } = request
  const shown: unknown = Reflect.get(socket, 'getPeerX509Certificate')
  if (typeof shown !== 'function') return ''
  const certificate: unknown = Reflect.apply(shown, socket, [])
  return certificate instanceof X509Certificate ? certificate.serialNumber.toLowerCase() : ''
}
