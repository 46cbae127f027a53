import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { createServer } from 'node:https'
import { describe, test, type TestContext } from 'node:test'
import type { Server, TLSSocket } from 'node:tls'
import { authenticated, ConfigurationError, createGuard, denyAll, type Guard } from '@countersign/core'
import { createAuthority, Peer, type TestSvid } from '@countersign/testkit'

/** What listeners of an attached server see of peers that the guard refuses. */

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const stranger = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/billing', { federated: [partner] })
const caller = await authority.issue('spiffe://saas.example/core-api')

const refused: ReadonlyMap<string, TestSvid | null> = new Map([
  ['no certificate', null],
  ['a certificate of an authority that has our name', await stranger.issue('spiffe://saas.example/core-api')],
  ['an expired certificate', await authority.issue('spiffe://saas.example/core-api', { faults: ['expired'] })],
  ['a certificate without a path', await authority.issue(caller.spiffeId, { uris: ['spiffe://saas.example'] })],
])

const kinds = new Map<string, (guard: Guard) => Server>([
  ['HTTP/1.1', (guard) => createServer({ ...guard.tlsOptions() })],
  ['HTTP/2', (guard) => createSecureServer({ ...guard.tlsOptions() })],
  ['HTTP/2 and HTTP/1.1', (guard) => createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true })],
])

for (const trustDomains of [['saas.example'], ['saas.example', 'partner.example']]) {
  for (const minVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    describe(`with ${trustDomains.length} trust domains and ${minVersion}`, () => {
      for (const [kind, create] of kinds) {
        test(`a server for ${kind} shows its listeners every accepted peer and no refused one`, async (context) => {
          const rules = [{ path: '/**', allow: authenticated() }]
          const guard = createGuard({ source, trustDomains, rules, tls: { minVersion }, log: () => undefined })
          const server = create(guard)
          const seen: string[] = []
          const note = (name: string) => (from: TLSSocket | ServerHttp2Session) => {
            seen.push(name)
            if ('write' in from) from.on('data', () => seen.push(`${name} read`))
          }
          server.on('secureConnection', note('added before'))
          server.on('session', note('session before'))
          guard.attach(server)
          server.on('request', (_request: unknown, response: { end(): void }) => response.end())
          server.prependListener('secureConnection', note('prepended'))
          server.on('secureConnection', note('added'))
          server.prependListener('session', note('session prepended'))
          const port = await listen(context, server)
          for (const [name, svid] of refused) {
            await using peer = new Peer(port, svid, {})
            const isHttp2 = kind !== 'HTTP/1.1'
            const socket = await peer
              .connect({ maxVersion: minVersion, ALPNProtocols: [isHttp2 ? 'h2' : 'http/1.1'] })
              .catch(() => undefined)
            socket?.on('error', () => undefined).resume()
            socket?.write(isHttp2 ? http2Preface : 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1')
            if (socket?.closed === false) await once(socket, 'close')
            assert.deepEqual(seen, [], name)
          }
          await using peer = new Peer(port, caller, { http2: kind !== 'HTTP/1.1' })
          assert.equal((await peer.fetch('/')).status, 200)
          const ofConnection = seen.filter((name) => !name.endsWith('read')).toSorted()
          const ofSession = kind === 'HTTP/1.1' ? [] : ['session before', 'session prepended']
          assert.deepEqual(ofConnection, ['added', 'added before', 'prepended', ...ofSession])
        })
      }
    })
  }
}

test("an HTTP/2 session refuses a 'stream' listener, whose requests would bypass the guard", async (context) => {
  const guard = createGuard({ source, rules: [{ path: '/**', allow: denyAll() }], log: () => undefined })
  const server = createSecureServer({ ...guard.tlsOptions() })
  const thrown: (string | undefined)[] = []
  const seen: unknown[] = []
  const add = (session: ServerHttp2Session): void => {
    for (const method of ['on', 'once', 'prependListener'] as const) {
      try {
        session[method]('stream', (stream: unknown) => seen.push(stream))
      } catch (error) {
        thrown.push(codeOf(error))
      }
    }
    session.on('close', () => undefined)
  }
  server.on('session', add)
  guard.attach(server)
  server.prependListener('session', add)
  server.on('request', (_request, response) => response.end())
  const port = await listen(context, server)
  await using peer = new Peer(port, caller, { http2: true })
  assert.equal((await peer.fetch('/')).status, 403)
  assert.deepEqual([thrown, seen], [Array.from({ length: 6 }, () => 'server_unsuitable'), []])
})

const http2Preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

async function listen(context: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => void server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

function codeOf(error: unknown): ConfigurationError['code'] | undefined {
  return error instanceof ConfigurationError ? error.code : undefined
}
