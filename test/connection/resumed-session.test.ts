import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import type { TrustState } from '../../packages/core/src/connection/material-gate.ts'
import { readCallerChain } from '../../packages/core/src/connection/read-chain.ts'
import { VerdictCache } from '../../packages/core/src/connection/verdict-cache.ts'
import { verifyPeer } from '../../packages/core/src/connection/verify-peer.ts'
import { ExpiryTimers } from '../../packages/core/src/connection/expiry-timers.ts'
import { HostServers } from '../../packages/core/src/outgoing/host-servers.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { optionsOf } from './bare-tls.ts'

/*
 * Our own servers and clients never resume a session. The code that verifies peers must not depend on that, so these
 * tests pass it sockets of Node with a resumed session.
 */

const saas = await createAuthority('saas.example')
const web = await createAuthority('web.example', { spiffeId: false })
const service = await saas.issue('spiffe://saas.example/ns/production/sa/billing')
const caller = await saas.issue('spiffe://saas.example/ns/production/sa/core-api')
const host = await web.issue('spiffe://web.example/server', { dnsNames: ['localhost'] })
const source = await saas.source(service.spiffeId)
const accepted: TrustState = {
  own: source.current.svid,
  trust: createSvidTrust(source.current.bundles),
  openssl: 'required',
  known: () => [],
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a caller is not verified on a resumed session (${version})`, async (context) => {
    const server = await serve(context, service, { ca: saas.bundlePem, requestCert: true, maxVersion: version })
    const verify = (socket: TLSSocket): unknown => {
      const verdict = verifyPeer(
        socket,
        accepted,
        { cache: new VerdictCache(), readPeerChain: readCallerChain },
        Date.now(),
      )
      return verdict.ok ? 'ok' : verdict.reason
    }
    const options = { ...optionsOf(caller, saas), maxVersion: version }
    const first = await server.connect(options)
    assert.deepEqual([first.accepted.isSessionReused(), verify(first.accepted)], [false, 'ok'])

    const again = await server.connect({ ...options, session: await first.session })
    assert.deepEqual([again.accepted.isSessionReused(), verify(again.accepted)], [true, 'session_resumed'])
  })

  test(`a server with a host name is not accepted on a resumed session (${version})`, async (context) => {
    const server = await serve(context, host, { maxVersion: version })
    const options = { ca: web.bundlePem, servername: 'localhost', maxVersion: version }
    const first = await server.connect(options)
    assert.deepEqual([first.socket.isSessionReused(), judgeHost(first.socket)], [false, 'ok'])

    const again = await server.connect({ ...options, session: await first.session })
    assert.deepEqual([again.socket.isSessionReused(), judgeHost(again.socket)], [true, 'session_resumed'])
  })
}

test('refuses a server with a host name that OpenSSL does not accept', async (context) => {
  const server = await serve(context, host, {})
  const { socket } = await server.connect({ ca: saas.bundlePem, servername: 'localhost' })
  assert.deepEqual([socket.authorized, judgeHost(socket)], [false, 'tls_refused'])
})

test('refuses a server with a host name if we have no certificate', async (context) => {
  const server = await serve(context, host, {})
  const { socket } = await server.connect({ ca: web.bundlePem, servername: 'localhost' })
  const verdict = new HostServers([], new ExpiryTimers()).accept(socket, undefined, {
    end: () => socket.destroy(),
    announce: () => undefined,
  })
  assert.equal(verdict.ok ? 'ok' : verdict.reason, 'source_unavailable')
})

function judgeHost(socket: TLSSocket): string {
  const ends: string[] = []
  const end = ({ reason }: { readonly reason: string }): unknown => ends.push(reason)
  const verdict = new HostServers([], new ExpiryTimers()).accept(socket, accepted, { end, announce: () => undefined })
  assert.deepEqual(ends, verdict.ok ? [] : [verdict.reason])
  return verdict.ok ? 'ok' : verdict.reason
}

interface Both {
  readonly socket: TLSSocket
  /** The server side. */
  readonly accepted: TLSSocket
  readonly session: Promise<Buffer>
}

/** A plain Node server that allows session resumption. */
async function serve(
  context: TestContext,
  { keyPem: key, certificatePem: cert }: TestSvid,
  options: TlsOptions,
): Promise<{ readonly connect: (options: ConnectionOptions) => Promise<Both> }> {
  const server = createServer({ key, cert, rejectUnauthorized: false, ...options })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    connect: async (given) => {
      const accepting = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...given })
      const session = new Promise<Buffer>((resolve) => socket.once('session', resolve))
      context.after(() => socket.destroy())
      await once(socket, 'secureConnect')
      const acceptedSocket = await accepting
      acceptedSocket.on('error', () => undefined)
      // In TLS 1.3 a ticket arrives with the first bytes.
      acceptedSocket.write('hello')
      socket.on('error', () => undefined).resume()
      return { socket, accepted: acceptedSocket, session }
    },
  }
}
