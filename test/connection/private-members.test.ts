import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions, createSecureContext, type Server, type TLSSocket } from 'node:tls'
import { createAuthority } from '@countersign/testkit'
import {
  acceptUnverifiedPeers,
  findSocketBelow,
  hasAddedContexts,
  hasCallback,
  hasTicketKeys,
  readServerOption,
} from '../../packages/core/src/connection/node-internals.ts'
import { readLeaf } from '../../packages/core/src/connection/read-leaf.ts'
import { changed } from '../support/private-member.ts'

/*
 * The undocumented members of Node that we read and replace. The name of a failing test identifies the member that
 * changed.
 */

const internals = 'core/src/connection/node-internals.ts'

const authority = await createAuthority('saas.example')
const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
const identity = { key: own.keyPem, cert: own.certificatePem, ca: [authority.bundlePem] }

const makers: Readonly<Record<string, (options: ServerOptions) => Server>> = {
  https: (options) => createServer(options),
  http2: (options) => createSecureServer(options),
}

for (const [name, make] of Object.entries(makers)) {
  describe(`a server of node:${name}`, () => {
    test('stores the TLS options that it was created with as properties', () => {
      const options = {
        ...identity,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.3',
        maxVersion: 'TLSv1.3',
        secureOptions: 0x4000,
        ciphers: 'TLS_AES_128_GCM_SHA256',
        sigalgs: 'ecdsa_secp256r1_sha256',
        ecdhCurve: 'P-256',
      } as const
      const server = make({ ...options })
      for (const [option, value] of Object.entries(options)) {
        assert.equal(readServerOption(server, option), value, changed(`Server#${option}`, internals))
      }
      for (const option of ['pfx', 'crl', 'dhparam', 'passphrase']) {
        assert.equal(readServerOption(server, option), undefined, changed(`Server#${option}`, internals))
      }
    })

    test('stores ticket keys in _ticketKeys or ticketKeys', () => {
      const message = changed('Server#_ticketKeys', internals)
      assert.equal(hasTicketKeys(make(identity)), false, message)
      assert.equal(hasTicketKeys(make({ ...identity, ticketKeys: Buffer.alloc(48) })), true, message)
    })

    test('stores the contexts of addContext in _contexts', () => {
      const server = make(identity)
      const message = changed('Server#_contexts', internals)
      assert.equal(hasAddedContexts(server), false, message)
      server.addContext('billing', identity)
      assert.equal(hasAddedContexts(server), true, message)
    })

    test('stores its callbacks under the symbols snicallback and pskcallback', () => {
      const callbacks = {
        SNICallback: (_name: string, done: (error: null, context: ReturnType<typeof createSecureContext>) => void) =>
          done(null, createSecureContext(identity)),
        pskCallback: () => null,
      }
      for (const callback of ['snicallback', 'pskcallback'] as const) {
        const message = changed(`the symbol '${callback}' of a server`, internals)
        assert.equal(hasCallback(make({ ...identity, ...callbacks }), callback), true, message)
        assert.equal(hasCallback(make(identity), callback), false, message)
      }
    })

    test('receives the ticket keys of a cluster through _setServerData', () => {
      const take: unknown = Reflect.get(make(identity), '_setServerData')
      assert.equal(typeof take, 'function', changed('Server#_setServerData', internals))
    })

    test('reads rejectUnauthorized at each handshake', async (context) => {
      const server = make({ ...identity, requestCert: true, rejectUnauthorized: true })
      acceptUnverifiedPeers(server)
      const { socket } = await accept(context, server)
      assert.equal(socket.authorized, false)
      assert.equal(socket.destroyed, false, changed('Server#rejectUnauthorized', internals))
    })

    test('emits through its own property emit', async (context) => {
      const server = make(identity)
      const emitted = new Set<unknown>()
      const emit = server.emit.bind(server)
      const replaced = (event: string, ...values: readonly unknown[]): boolean => {
        emitted.add(event)
        return emit(event, ...values)
      }
      Reflect.defineProperty(server, 'emit', { value: replaced })
      await accept(context, server)
      const message = changed('that Node calls Server#emit', 'core/src/connection/attach-server.ts')
      assert.ok(emitted.has('secureConnection'), message)
    })
  })
}

test('a server of node:http2 adds its stream listener with the first request listener', () => {
  const server = createSecureServer(identity)
  const message = changed("the 'stream' listener of an HTTP/2 server", 'core/src/connection/attach-server.ts')
  assert.equal(server.listenerCount('stream'), 0, message)
  server.on('request', () => undefined)
  assert.equal(server.listenerCount('stream'), 1, message)
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`the caller's certificate is in its session of ${version}`, async (context) => {
    const server = createServer({ ...identity, requestCert: true, minVersion: version, maxVersion: version })
    const { socket } = await accept(context, server, { key: caller.keyPem, cert: caller.certificatePem })
    const message = changed('the encoding of TLSSocket#getSession()', 'core/src/connection/read-leaf.ts')
    assert.deepEqual(readLeaf(socket), socket.getPeerX509Certificate()?.raw, message)
  })
}

test('a TLS socket has the underlying socket as _parent', async (context) => {
  const { socket } = await accept(context, createServer(identity))
  const below = findSocketBelow(socket)
  assert.equal(below?.remotePort, socket.remotePort, changed('TLSSocket#_parent', internals))
})

test('a node:http2 session exposes the properties of its socket', async (context) => {
  const server = createSecureServer(identity)
  const mark = Symbol('mark')
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    Reflect.defineProperty(socket, mark, { value: 'found' })
  })
  const session = new Promise<ServerHttp2Session>((resolve) => server.on('session', resolve))
  await accept(context, server, { ALPNProtocols: ['h2'] })
  const { socket } = await session
  const message = changed('Http2Session#socket, a stand-in,', 'core/src/connection/peer-connections.ts')
  assert.equal(Reflect.get(socket, mark), 'found', message)
})

test('an HTTPS server stores maxHeaderSize and joinDuplicateHeaders as properties', () => {
  const server = createServer({ ...identity, maxHeaderSize: 2048, joinDuplicateHeaders: true })
  for (const [name, value] of Object.entries({ maxHeaderSize: 2048, joinDuplicateHeaders: true })) {
    const message = changed(`Server#${name}`, 'core/src/migration/migration-listener.ts')
    assert.equal(readServerOption(server, name), value, message)
  }
})

/** The server side of one connection, which closes with the test. */
async function accept(
  context: TestContext,
  server: Server,
  options: ConnectionOptions = {},
): Promise<{ readonly socket: TLSSocket }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const secured = new Promise<TLSSocket>((resolve) => server.on('secureConnection', resolve))
  const client = connect({ port: portOf(server), host: '127.0.0.1', rejectUnauthorized: false, ...options })
  client.on('error', () => undefined)
  const socket = await secured
  socket.on('error', () => undefined)
  context.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  return { socket }
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
