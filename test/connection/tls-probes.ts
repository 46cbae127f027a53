import { type Agent, request } from 'node:https'
import { json } from 'node:stream/consumers'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { Running, TestSvid } from '@countersign/testkit'

/*
 * What a test does to a server, or reads from a socket, to see how Node's TLS behaves.
 */

/** How many certificates of the peer's chain Node exposes, including authorities of its own store. */
export function countChain(socket: TLSSocket): number {
  let count = 0
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw !== undefined) {
    count += 1
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return count
}

/** Milliseconds until this SVID is no longer valid; notAfter is the last valid second. */
export function untilExpired({ expiresAt }: TestSvid): number {
  return expiresAt + 1000 - Date.now() + 5
}

/** Tries to renegotiate a TLS 1.2 connection as this peer, and returns whether the server took part. */
export async function renegotiate(running: Running, svid: TestSvid): Promise<boolean> {
  const accepted = new Promise<TLSSocket>((resolve) => running.server.once('secureConnection', resolve))
  const socket = await running.as(svid).connect({ maxVersion: 'TLSv1.2' })
  const serverSide = await accepted
  serverSide.on('error', () => undefined)
  const before = serverSide.getPeerFinished()?.toString('hex')
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.renegotiate({ rejectUnauthorized: false }, () => resolve())
    socket.write('GET /internal/health HTTP/1.1\r\nHost: a\r\n\r\n')
    // Some versions do not answer a refused attempt; a successful one is answered immediately.
    setTimeout(resolve, 2000)
  })
  const after = serverSide.getPeerFinished()?.toString('hex')
  socket.destroy()
  return after !== undefined && after !== before
}

/** The body of one request through this agent. */
export function askThrough(agent: Agent, { port }: Running): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, host: '127.0.0.1', port, path: '/internal/health' }, (message) => {
      resolve(json(message))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
