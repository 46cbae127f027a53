import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { TestContext } from 'node:test'
import { type ConnectionOptions, TLSSocket } from 'node:tls'
import type { GuardOptions } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { type Peer, Running, serve, type TestSvid } from '@countersign/testkit'
import { type Service, start, type Variant } from '../adapters/frameworks.ts'
import { admitNow } from '../support/admit-now.ts'

/*
 * Runs the same service with Node's TLS alone and with a guard, and a client for both that stores its TLS session.
 */

/** What Node reports about the connection of a request. */
export interface Told {
  readonly authorized: boolean
  readonly resumed: boolean
  /** The alternative names of the certificate as Node prints them; null without a certificate. */
  readonly names: string | null
}

/** What Node reports about a peer that it accepts as this workload. */
export function letIn(spiffeId: string, resumed = false): Told {
  return { authorized: true, resumed, names: `URI:${spiffeId}` }
}

/** Serves with mTLS using only Node's options; responds to every accepted request with Node's verdict. */
export async function serveBare(context: TestContext, options: ServerOptions): Promise<BareService> {
  const server = createServer({ requestCert: true, rejectUnauthorized: true, ...options }, ({ socket }, response) => {
    assert.ok(socket instanceof TLSSocket)
    const { subjectaltname } = socket.getPeerCertificate()
    const told: Told = {
      authorized: socket.authorized,
      resumed: socket.isSessionReused(),
      names: subjectaltname ?? null,
    }
    response.end(JSON.stringify(told))
  })
  // Node closes idle connections after 5 seconds, which would look like an action of a guard.
  server.keepAliveTimeout = 72_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  context.after(() => running.close())
  return { running, server, as: (svid) => running.as(svid) }
}

/** The service without a guard. */
export interface BareService {
  readonly running: Running
  readonly server: Server
  as(svid: TestSvid | null): Peer
}

/** Key and chain of this SVID and the trusted authorities, as Node's options. */
export function optionsOf(
  { keyPem, certificatePem }: TestSvid,
  ...authorities: readonly { readonly bundlePem: string }[]
): { readonly key: string; readonly cert: string; readonly ca: string[] } {
  return { key: keyPem, cert: certificatePem, ca: authorities.map(({ bundlePem }) => bundlePem) }
}

/** Serves under a guard; responds to every allowed request with the name of its principal. */
export async function serveGuarded(
  context: TestContext,
  options: GuardOptions,
  tlsVersion: Variant['tlsVersion'] = 'TLSv1.3',
): Promise<Service> {
  const variant = { name: 'without a framework', framework: 'Express', http2: false, tlsVersion } as const
  const service = await start(variant, options, async (guard, handled) => {
    const running = await serve(guard, (request, response) => {
      const verdict = admitNow(guard, request)
      if (!isDenial(verdict)) {
        handled.push(`${request.method} ${request.url}`)
        return response.end(JSON.stringify(verdict.name))
      }
      const answer = forAdapter(guard).answer(verdict, request)
      return answer === undefined ? undefined : response.writeHead(answer.status, answer.headers).end(answer.body)
    })
    Object.assign(running.server, { keepAliveTimeout: 72_000 })
    return running
  })
  context.after(() => service.running.close())
  return service
}

/** The results of one request on a new connection. */
export interface Asked {
  /** The body, or undefined if the connection closed without a response. */
  readonly answer: unknown
  /** The session to resume. */
  readonly session: Buffer | undefined
  /** The serial number of the server's certificate; a resumed connection has none. */
  readonly serial: bigint | undefined
}

/** Sends one request as this peer, optionally with the session of an earlier connection. */
export async function ask(peer: Peer, options: ConnectionOptions = {}, earlier?: Buffer): Promise<Asked> {
  let received = ''
  let session: Buffer | undefined
  let serial: bigint | undefined
  try {
    const socket = await peer.connect({ ...options, ...(earlier !== undefined && { session: earlier }) })
    session = socket.getSession()
    // In TLS 1.3 the resumable one arrives after the handshake.
    socket.on('session', (given: Buffer) => (session = given))
    socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
    serial = serialOf(socket.getPeerCertificate().serialNumber)
    socket.write('GET /internal/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve))
  } catch {
    // In TLS 1.2 the handshake itself fails.
  }
  const body = received.split('\r\n\r\n')[1]
  const answer: unknown = body === undefined ? undefined : JSON.parse(body)
  return { answer, session, serial }
}

/** Normalizes the serial numbers that the testkit and Node format differently. */
export function serialOf(hex: string | undefined): bigint | undefined {
  return hex === undefined ? undefined : BigInt(`0x${hex}`)
}
