import { once } from 'node:events'
import { request as requestPlain, type IncomingMessage, type RequestOptions, type Server } from 'node:http'
import { createSecureServer, type SecureServerOptions } from 'node:http2'
import { createServer, type Server as HttpsServer, request as requestTls, type ServerOptions } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Server as TlsServer } from 'node:tls'
import { createAuthority } from '@countersign/testkit'
import {
  createMigrationListener,
  type MigrationListenerOptions,
} from '../../packages/core/src/migration/migration-listener.ts'

const authority = await createAuthority('saas.example')
const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')

/** The TLS options of a server without mTLS. */
export const identity = { key: own.keyPem, cert: own.certificatePem } as const

/** A listener, its TLS server, and the plaintext connections that were registered. */
export interface Listening {
  readonly listener: Server
  readonly tlsServer: TlsServer
  readonly port: number
  readonly plaintext: readonly Socket[]
}

/** Starts a listener in front of a TLS server, and closes both after the test. */
export async function startListener(
  context: TestContext,
  tlsServer: TlsServer,
  options: Partial<MigrationListenerOptions> = {},
): Promise<Listening> {
  const plaintext: Socket[] = []
  const listener = createMigrationListener(tlsServer, {
    onPlaintext: (socket) => void plaintext.push(socket),
    isOpen: () => true,
    ...options,
  })
  context.after(() => {
    listener.close()
    listener.closeAllConnections()
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return { listener, tlsServer, port: portOf(listener), plaintext }
}

export function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a server that listens on a port')
  return address.port
}

/** A server that answers with the kind of connection, the version and the body. */
export function createEcho(options: ServerOptions = {}): HttpsServer {
  return createServer({ ...identity, ...options }, (request, response) => {
    const kind = 'encrypted' in request.socket ? 'TLS' : 'plaintext'
    response.setHeader('x-kind', `${kind} ${request.httpVersion} ${request.socket.remoteAddress}`)
    const length = request.headers['content-length']
    if (length !== undefined) response.setHeader('content-length', length)
    request.pipe(response)
  })
}

/** The same over HTTP/2. */
export function createHttp2Echo(options: SecureServerOptions = {}): TlsServer {
  return createSecureServer({ ...identity, ...options }, (request, response) => {
    response.setHeader('x-kind', `TLS ${request.httpVersion} ${request.socket.remoteAddress}`)
    request.pipe(response)
  })
}

/** The answer to a request. */
export interface Answer {
  readonly status: number | undefined
  readonly kind: string | string[] | undefined
  readonly body: Buffer
}

/** Sends a request over TLS or in plaintext. */
export async function send(
  scheme: 'https' | 'http',
  port: number,
  { body = '', ...options }: RequestOptions & { readonly body?: string | Buffer } = {},
): Promise<Answer> {
  const all = { host: '127.0.0.1', port, agent: false as const, method: 'POST', ...options }
  const request = scheme === 'http' ? requestPlain(all) : requestTls({ ...all, ca: authority.bundlePem, ...unnamed })
  request.end(body)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject)
  })
  const chunks = await response.toArray()
  return { status: response.statusCode, kind: response.headers['x-kind'], body: Buffer.concat(chunks) }
}

/** The certificate has a SPIFFE ID instead of a host name. */
export const unnamed = { checkServerIdentity: (): undefined => undefined }

/** TLS options of a client. */
export const trusting = { ca: authority.bundlePem, ...unnamed }

/** Connects without TLS. */
export async function connectTo(context: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  context.after(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Reads until the other side closes the connection. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await once(socket, 'close')
  return Buffer.concat(chunks)
}
