import { once } from 'node:events'
import { connect, type ConnectionOptions, type SecureVersion, type TLSSocket } from 'node:tls'
import { aRecord, aText, checkArgument, checkOptions, type OptionKind } from './check-options.ts'
import type { Exchange, FetchInit } from './exchange.ts'
import { createHttp1Exchange } from './http1-exchange.ts'
import { createHttp2Exchange } from './http2-exchange.ts'
import type { TestSvid } from './svid.ts'

/** How a peer connects. */
export interface PeerOptions {
  /** Default: false, HTTP/1.1. */
  readonly http2?: boolean
  /** Default: Node's. */
  readonly minVersion?: SecureVersion
  /** Default: Node's. */
  readonly maxVersion?: SecureVersion
}

/**
 * A workload, or an attacker, as the client of a real TLS connection. It presents any certificate and accepts any
 * server, because tests examine the server. Requests share one connection for as long as the server keeps it open.
 */
export class Peer {
  readonly #tls: ConnectionOptions
  readonly #exchange: Exchange
  readonly #url: string
  readonly #sockets = new Set<TLSSocket>()

  /** Called by `Running.as`. */
  constructor(port: number, svid: TestSvid | null, options: PeerOptions) {
    const { http2 = false, ...versions } = options
    this.#url = `https://127.0.0.1:${port}`
    this.#tls = {
      ...versions,
      ...(svid === null ? {} : { key: svid.keyPem, cert: svid.certificatePem }),
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      // The default level would refuse to load weak keys and SHA-1 here, although tests have to present them.
      ciphers: 'DEFAULT@SECLEVEL=0',
    }
    this.#exchange = http2 ? createHttp2Exchange(this.#url, this.#tls) : createHttp1Exchange(this.#tls)
  }

  /**
   * Sends one request and reads the whole response. The target is sent byte for byte, including dots and doubled
   * slashes; a leading `url` of the running application is removed. Redirects are not followed.
   *
   * @throws the error of the connection, if it closes before the response is complete
   */
  async fetch(target: string, init: FetchInit = {}): Promise<Response> {
    checkArgument(target, 'fetch', aText)
    checkOptions(init, 'fetch', fetchKinds)
    const isOwnUrl = target === this.#url || target.startsWith(`${this.#url}/`)
    return this.#exchange.send(isOwnUrl ? target.slice(this.#url.length) || '/' : target, init)
  }

  /**
   * Opens a further TLS connection as this peer, for bytes that HTTP clients do not send and for tests of TLS itself.
   */
  async connect(options: ConnectionOptions = {}): Promise<TLSSocket> {
    checkArgument(options, 'connect', aRecord)
    const socket = connect({ ...this.#tls, ...options })
    this.#sockets.add(socket)
    // In TLS 1.3, a server refuses a certificate after the client's handshake, when the caller may not be listening any
    // more.
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    return socket
  }

  /** Closes the connections of this peer immediately. */
  close(): void {
    this.#exchange.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }
}

const fetchKinds: Readonly<Record<string, OptionKind>> = {
  method: aText,
  headers: aRecord,
  body: [(value) => typeof value === 'string' || value instanceof Uint8Array, 'text or bytes'],
  signal: [(value) => value instanceof AbortSignal, 'an AbortSignal'],
}
