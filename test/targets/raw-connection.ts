import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { Peer } from '@countersign/testkit'

/** The response to the bytes of one request; status 0 if the connection closed without a response. */
export interface RawAnswer {
  readonly status: number
  /** The handler that ran, from the `x-handler` header that every handler of these tests sets. */
  readonly handler: string | undefined
  readonly body: string
}

/** The text of a request, one character per byte, with the Host that every request needs unless others are given. */
export function requestText(line: string, headers: readonly string[] = ['Host: billing.internal']): string {
  return `${[line, ...headers].join('\r\n')}\r\n\r\n`
}

/** Sends the bytes of requests one after another, and opens a new connection if the server closed the last one. */
export class RawConnection {
  readonly #peer: Peer
  #socket: TLSSocket | undefined
  #received = ''

  constructor(peer: Peer) {
    this.#peer = peer
  }

  async send(text: string): Promise<RawAnswer> {
    const socket = (this.#socket ??= await this.#open())
    this.#received = ''
    socket.write(text, 'latin1')
    const isHead = text.startsWith('HEAD ')
    for (;;) {
      const isEnded = socket.readableEnded || socket.destroyed
      const length = isEnded ? undefined : findEnd(this.#received, isHead)
      if (isEnded || length !== undefined) {
        if (isEnded || /^connection: close\r$/im.test(this.#received)) this.close()
        return readAnswer(this.#received)
      }
      await Promise.race([once(socket, 'data'), once(socket, 'close'), once(socket, 'end')])
    }
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #open(): Promise<TLSSocket> {
    const socket = await this.#peer.connect()
    socket.setMaxListeners(0)
    // A server that treats the bytes as a partial request waits for the rest and never responds.
    socket.setTimeout(silence, () => socket.destroy())
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.#received += chunk
    })
    return socket
  }
}

// Milliseconds: long for a busy machine, and only few requests wait for it.
const silence = 3000

function findEnd(received: string, isHead: boolean): number | undefined {
  const head = received.indexOf('\r\n\r\n')
  if (head === -1) return undefined
  const [, digits] = /^content-length: (\d+)\r$/im.exec(received) ?? []
  if (/^transfer-encoding: chunked\r$/im.test(received)) {
    return isHead || received.endsWith('\r\n0\r\n\r\n') ? received.length : undefined
  }
  // Without a length, the response ends when the connection closes.
  if (digits === undefined && !isHead) return undefined
  const end = head + 4 + (isHead ? 0 : Number(digits))
  return received.length >= end ? end : undefined
}

function readAnswer(received: string): RawAnswer {
  const [head = '', body = ''] = received.split('\r\n\r\n', 2)
  const [, status = '0'] = /^HTTP\/1\.1 (\d{3})/.exec(head) ?? []
  const [, handler] = /^x-handler: (\S+)$/im.exec(head.replaceAll('\r', '')) ?? []
  return { status: Number(status), handler, body }
}
