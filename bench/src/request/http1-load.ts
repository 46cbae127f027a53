import { once } from 'node:events'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { type Load, LoadError, shareOut } from './load.ts'

/**
 * Opens connections that each send one request after another. It does as little as possible, because the server waits
 * while the load generator computes. Every response must have the length of the first one.
 */
export async function openHttp1Load(options: ConnectionOptions, count: number, request: Http1Request): Promise<Load> {
  const bytes = Buffer.from(`GET ${request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n`)
  const lanes = await Promise.all(Array.from({ length: count }, () => Lane.open(options, bytes, request.status)))
  for (const lane of lanes) await lane.learn()
  return {
    send: async (requests) => {
      const shares = shareOut(requests, lanes.length)
      await Promise.all(lanes.map((lane, index) => lane.send(shares[index] ?? 0)))
    },
    close: () => {
      for (const lane of lanes) lane.close()
    },
  }
}

/** The requested path, and the status that every response must have. */
export interface Http1Request {
  readonly path: string
  readonly status: number
}

class Lane {
  readonly #socket: TLSSocket
  readonly #request: Buffer
  readonly #start: string
  #length = 0
  #received = 0
  #left = 0
  #done: () => void = () => undefined
  #fail: (error: Error) => void = () => undefined

  private constructor(socket: TLSSocket, request: Buffer, status: number) {
    this.#socket = socket
    this.#request = request
    this.#start = `HTTP/1.1 ${status}`
  }

  static async open(options: ConnectionOptions, request: Buffer, status: number): Promise<Lane> {
    const socket = connect(options).setNoDelay()
    await once(socket, 'secureConnect')
    return new Lane(socket, request, status)
  }

  /** Sends the first request and determines the length of a response. */
  async learn(): Promise<void> {
    this.#socket.write(this.#request)
    let text = ''
    for (;;) {
      text += await this.#receiveText()
      const head = text.indexOf('\r\n\r\n')
      const [, length] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
      if (head === -1 || text.length < head + 4 + Number(length)) continue
      if (!text.startsWith(this.#start)) throw new LoadError(`found ${text.slice(0, 300)}, expected ${this.#start}`)
      this.#length = head + 4 + Number(length)
      break
    }
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('close', () => this.#fail(new LoadError('a connection closed, expected it to stay open')))
    this.#socket.on('error', (error: Error) => this.#fail(error))
  }

  #receiveText(): Promise<string> {
    return new Promise((resolve) => {
      this.#socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')))
    })
  }

  send(requests: number): Promise<void> {
    if (requests === 0) return Promise.resolve()
    this.#left = requests
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new LoadError('a connection was closed between two turns, expected it to stay open'))
        return
      }
      this.#done = resolve
      this.#fail = reject
      this.#socket.write(this.#request)
    })
  }

  close(): void {
    this.#fail = () => undefined
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#received === 0 && chunk.toString('latin1', 0, this.#start.length) !== this.#start) {
      this.#fail(new LoadError(`found ${chunk.toString('latin1', 0, 300)}, expected ${this.#start}`))
    }
    this.#received += chunk.length
    if (this.#received < this.#length) return
    if (this.#received > this.#length) this.#fail(new LoadError('found a response longer than the first one'))
    this.#received = 0
    this.#left -= 1
    if (this.#left === 0) this.#done()
    else this.#socket.write(this.#request)
  }
}
