import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { describe, test, type TestContext } from 'node:test'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { authenticated, createGuard, type Guard } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, Peer, type TestSvid } from '@countersign/testkit'
import Fastify from 'fastify'
import { billing, coreApi } from '../adapters/frameworks.ts'
import { refusal } from '../adapters/refusal.ts'
import { admitNow } from '../support/admit-now.ts'

const ours = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const source = await ours.source(billing, { federated: [partner] })
const caller = await ours.issue(coreApi)
const stranger = await (await createAuthority('saas.example')).issue(coreApi)

function create(): Guard {
  const rules = [{ path: '/**', allow: authenticated() }]
  return createGuard({ source, trustDomains: ['saas.example', 'partner.example'], rules, log: () => undefined })
}

async function listen(context: TestContext, server: TlsServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => void sockets.add(socket))
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

/** What a peer reads on a new connection, or `undefined` if it cannot connect. */
async function read(port: number, svid: TestSvid, protocols: readonly string[] = []): Promise<string | undefined> {
  await using peer = new Peer(port, svid, {})
  const options = protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }
  const socket = await peer.connect(options).catch(() => undefined)
  if (socket === undefined) return undefined
  let received = ''
  socket.setEncoding('latin1').on('data', (data: string) => (received += data))
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  if (!socket.closed) await once(socket, 'close')
  return received
}

const makers: Readonly<Record<string, (guard: Guard) => TlsServer>> = {
  'node:tls': (guard) => createTlsServer(guard.tlsOptions(), (socket) => socket.end('served')),
  'node:https': (guard) => createServer(guard.tlsOptions(), (_request, response) => response.end('served')),
  'node:http2': (guard) =>
    createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true }, (_request, response) => response.end('served')),
  Fastify: (guard) => Fastify({ https: guard.tlsOptions() }).server,
  'Fastify with HTTP/2': (guard) => Fastify({ http2: true, https: { ...guard.tlsOptions(), allowHTTP1: true } }).server,
}

describe('with several trust domains the TLS options contain no key', () => {
  test('contain no certificate, and leave the verification of peers to the guard', () => {
    const { minVersion, secureOptions, ...rest } = create().tlsOptions()
    assert.deepEqual(rest, { ca: [], requestCert: true, rejectUnauthorized: false })
    assert.equal(minVersion, 'TLSv1.3')
    assert.equal(secureOptions, constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION)
  })

  for (const [name, make] of Object.entries(makers)) {
    test(`make a server of ${name} that is not attached refuse every handshake`, async (context) => {
      const port = await listen(context, make(create()))
      assert.equal(await read(port, caller), undefined)
      assert.equal(await read(port, stranger), undefined)
    })
  }

  test('attaching gives the server its certificate', async (context) => {
    const guard = create()
    const server = createServer(guard.tlsOptions(), (_request, response) => response.end('served'))
    guard.attach(server)
    const port = await listen(context, server)
    assert.match((await read(port, caller)) ?? '', /served/)
    assert.equal(await read(port, stranger), '')
  })

  for (const [change, options, named] of [
    ['a key and a certificate', { key: source.svid.keyPem, cert: source.svid.certificatePem }, /certificate/],
    ['a certificate alone', { cert: source.svid.certificatePem }, /certificate/],
    ['a key alone', { key: source.svid.keyPem }, /certificate/],
    ['rejectUnauthorized', { rejectUnauthorized: true }, /rejectUnauthorized/],
    ['no request for a certificate', { requestCert: false }, /requestCert/],
    ['authorities', { ca: ours.bundlePem }, /\bca\b/],
    ['no list of authorities', { ca: undefined }, /\bca\b/],
  ] as const) {
    test(`a server with ${change} in addition is refused`, () => {
      const guard = create()
      const server = createServer({ ...guard.tlsOptions(), ...options })
      assert.throws(() => guard.attach(server), refusal('server_unsuitable', named))
    })
  }
})

describe('over HTTP/2 a refused peer reaches no handler', () => {
  for (const protocols of [[], ['http/1.1'], ['something-else']]) {
    test(`when it offers ${protocols.join() || 'no protocol'}`, async (context) => {
      const guard = create()
      let unknown = 0
      const server = createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true }, (request, response) => {
        const verdict = admitNow(guard, request)
        response.end(isDenial(verdict) ? '' : verdict.name)
      })
      server.on('unknownProtocol', (socket: TLSSocket) => {
        unknown += 1
        socket.destroy()
      })
      guard.attach(server)
      const port = await listen(context, server)
      assert.ok(['', undefined].includes(await read(port, stranger, protocols)))
      assert.equal(unknown, 0)
      const answer = await read(port, caller, protocols)
      if (protocols.includes('something-else')) assert.ok(['', undefined].includes(answer))
      else assert.match(answer ?? '', new RegExp(coreApi))
    })
  }
})
