import { once } from 'node:events'
import { Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { json } from 'node:stream/consumers'
import type { TestSvid } from '@countersign/testkit'

/** What a caller read. */
export interface PathSemantics {
  readonly status: number
  readonly body: unknown
  /** Of the certificate that the service showed on this connection. */
  readonly serialNumber: string
}

/** What a caller shows and trusts. */
export interface Credentials {
  /** Null shows no certificate. */
  readonly svid: Pick<TestSvid, 'keyPem' | 'certificatePem'> | null
  /** PEM: what the service's own certificate has to end in. */
  readonly ca: string
}

/** A caller's side: one TLS connection that is kept open, to a service whose certificate it verifies. */
export class Client {
  readonly #agent: Agent
  readonly #port: number
  #socket: Socket | undefined

  constructor({ port, credentials }: { readonly port: number; readonly credentials: Credentials }) {
    const { svid, ca } = credentials
    const own = svid === null ? {} : { key: svid.keyPem, cert: svid.certificatePem }
    // Without cached sessions every new connection shows the certificate again.
    this.#agent = new Agent({ ...own, ca, checkServerIdentity, keepAlive: true, maxSockets: 1, maxCachedSessions: 0 })
    this.#port = port
  }

  /** Sends one request; throws what ended the connection, when it ends before the response does. */
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

  /** Waits until the server ends the connection of the last request; throws when `signal` comes first. */
  async waitForEnd(signal: AbortSignal): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.closed) return
    await once(socket, 'close', { signal })
  }

  /** Ends the connection. */
  close(): void {
    this.#agent.destroy()
  }
}

function readSerialNumber(socket: TLSSocket): string {
  return socket.getPeerCertificate().serialNumber
}

// Of all that the authority certifies the demo talks to one service, and that has a SPIFFE ID and no host name.
function checkServerIdentity(): undefined {
  return undefined
}
