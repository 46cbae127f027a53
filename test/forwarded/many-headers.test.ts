import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { connect as connectTcp, type Server } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import {
  allOf,
  anonymous,
  anyOf,
  authenticated,
  ConfigurationError,
  createGuard,
  type Guard,
  provenBy,
} from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'

/** Node.js drops the header lines after the first thousand or so, and a proxy may write its own last. */

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/payments')
const proxyId = 'spiffe://saas.example/ns/production/sa/gateway'
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
const proxy = await authority.issue(proxyId)
const until = new Date(Date.now() + 86_400_000).toISOString()

const filler = 'a:b\r\n'.repeat(1500)
const identity = `Client-Cert: ${encode(await authority.issue(callerId))}\r\n`
const expired = `Client-Cert: ${encode(await authority.issue(callerId, { faults: ['expired'] }))}\r\n`

function encode({ certificatePem }: TestSvid): string {
  return `:${new X509Certificate(certificatePem).raw.toString('base64')}:`
}

const cases = [
  ['an identity behind them counts', filler + identity, 200],
  ['an invalid identity behind them does not become anonymous', filler + expired, 403],
  ['a repeated identity is refused', identity + filler + identity, 403],
] as const

const servers = [
  ['HTTP/1.1', (guard: Guard) => createServer(guard.tlsOptions(), answer)],
  ['HTTP/1.1 beside HTTP/2', (guard: Guard) => createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true }, answer)],
] as const

function answer(_request: object, response: { end(text: string): unknown }): void {
  response.end('served')
}

for (const [protocol, create] of servers) {
  describe(`1,500 header lines, ${protocol}`, () => {
    for (const [name, headers, status] of cases) {
      test(name, async (t) => {
        const guard = createGuard({
          source,
          rules: [{ path: '/**', allow: anyOf(anonymous(), authenticated()) }],
          credentials: { forwarded: { format: 'client-cert', proxies: [{ id: proxyId, forwards: [callerId] }] } },
          permissive: { until },
          log: () => undefined,
        })
        const server = create(guard)
        guard.attach(server)
        const port = await listen(t, server)
        const tls = { key: proxy.keyPem, cert: proxy.certificatePem }

        assert.equal(await send(t, port, `GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`, tls), status)
      })
    }
  })
}

test('an asserted identity behind 1,500 header lines counts', async (t) => {
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: allOf(provenBy('asserted'), authenticated()) }],
    credentials: { forwarded: { format: 'client-cert', dangerouslyTrustAnyPeer: true } },
    log: () => undefined,
  })
  const server = createHttpServer(answer)
  guard.attach(server)
  const port = await listen(t, server)

  assert.equal(await send(t, port, `GET / HTTP/1.1\r\nHost: a\r\n${filler}${identity}\r\n`), 200)
})

test('forged trailers are removed if their announcement is behind 1,500 header lines', async (t) => {
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    credentials: { forwarded: { format: 'client-cert', proxies: [{ id: proxyId, forwards: [callerId] }] } },
    log: () => undefined,
  })
  let trailers: readonly string[] | undefined
  const server = createServer(guard.tlsOptions(), (request, response) => {
    request.resume().on('end', () => {
      trailers = request.rawTrailers
      response.end()
    })
  })
  guard.attach(server)
  const port = await listen(t, server)
  const caller = await authority.issue(callerId)
  const body = '0\r\nClient-Cert: :AAAA:\r\nX-Checksum: 1\r\n\r\n'
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${filler}Transfer-Encoding: chunked\r\n\r\n`

  assert.equal(await send(t, port, head + body, { key: caller.keyPem, cert: caller.certificatePem }), 200)
  assert.deepEqual(trailers, ['X-Checksum', '1'])
})

test('a limit of header lines cannot be set afterwards, and without credentials stays as it is', () => {
  const rules = [{ path: '/**', allow: authenticated() }]
  const forwarded = { format: 'client-cert', proxies: [{ id: proxyId, forwards: [callerId] }] } as const
  const reading = createGuard({ source, rules, credentials: { forwarded } })
  const server = createServer(reading.tlsOptions())
  reading.attach(server)
  assert.throws(() => (server.maxHeadersCount = 100), ConfigurationError)
  server.maxHeadersCount = 0

  const plain = createGuard({ source, rules })
  const other = createServer(plain.tlsOptions())
  plain.attach(other)
  other.maxHeadersCount = 100
  assert.equal(other.maxHeadersCount, 100)
})

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

async function send(t: TestContext, port: number, text: string, tls?: ConnectionOptions): Promise<number> {
  const to = { host: '127.0.0.1', port }
  const socket = tls === undefined ? connectTcp(to) : connect({ ...to, ...tls, rejectUnauthorized: false })
  t.after(() => socket.destroy())
  socket.write(text)
  const data: unknown = await new Promise((resolve) => socket.once('data', resolve))
  return Number(/^HTTP\/1\.1 (\d+)/.exec(String(data))?.[1])
}
