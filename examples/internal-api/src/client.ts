import { once } from 'node:events'
import { Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { json } from 'node:stream/consumers'
import type { TestSvid } from '@countersign/testkit'

/** The response to a caller. */
export interface PathSemantics {
  readonly status: number
  readonly body: unknown
  /** The serial number of the certificate that the service presented on this connection. */
  readonly serialNumber: string
}

/** What a caller presents and trusts. */
export interface Credentials {
  /** Null presents no certificate. */
  readonly svid: Pick<TestSvid, 'keyPem' | 'certificatePem'> | null
  /** PEM: the authority of the service's own certificate. */
  readonly ca: string
}

/** The caller's side: one TLS connection that is kept open, to a service whose certificate it verifies. */
export class Client {
  readonly #agent: Agent
  readonly #port: number
  #socket: Socket | undefined

  constructor({ port, credentials }: { readonly port: number; readonly credentials: Credentials }) {
    const { svid, ca } = credentials
    const own = svid === null ? {} : { key: svid.keyPem, cert: svid.certificatePem }
    // Without cached sessions, every new connection presents the certificate again.
    this.#agent = new Agent({ ...own, ca, checkServerIdentity, keepAlive: true, maxSockets: 1, maxCachedSessions: 0 })
    this.#port = port
  }

  /** Sends one request. Rejects with the error of the connection if it closes before the response. */
  async read(path: string): Promise<PathSemantics> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent: this.#agent, host: '127.0.0.1', port: this.#port, path })
      outgoing.once('socket', (socket) => {
        this.#socket = socket
      })
      outgoing.once('error', reject)
      outgoing.once('response', (message) => {
        const serialNumber = message.socket instanceof TLSSocket ? readSerialNumber(message.socket) : ''
        json(message).then((body) => resolve({ status: message.statusCode ?? 0, body, serialNumber }), reject)
      })
      outgoing.end()
    })
  }

  /** Waits until the server closes the connection of the last request. Rejects if `signal` is aborted first. */
  async waitForEnd(signal: AbortSignal): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.closed) return
    await once(socket, 'close', { signal })
  }

  /** Closes the connection. */
  close(): void {
    this.#agent.destroy()
  }
}

function readSerialNumber(socket: TLSSocket): string {
  return socket.getPeerCertificate().serialNumber
}

// The demo calls only one service of this authority, and it has a SPIFFE ID instead of a host name.
function checkServerIdentity(): undefined {
  return undefined
}
