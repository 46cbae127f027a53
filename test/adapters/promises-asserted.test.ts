import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type Server,
} from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { anyOf, authenticated, createGuard, permitAll, provenBy } from '@countersign/core'
import { countersign as countersignExpress } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { ask, idOf, setups, startService } from './credential-service.ts'
import { formats } from './forwarded-headers.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const source = await authority.source(idOf('billing'), { federated: [partner] })
const orders = await authority.issue(idOf('orders'))
const [, xfcc = assert.fail()] = formats
const credentials = { forwarded: { dangerouslyTrustAnyPeer: true, format: 'xfcc' } } as const
const rules = [
  { path: '/admin', allow: authenticated() },
  { path: '/**', allow: anyOf(authenticated(), provenBy('asserted')) },
]
const until = new Date(Date.now() + 3_600_000).toISOString()

const named = (id: string): OutgoingHttpHeaders => xfcc.garble(`By=spiffe://a.example/x;Hash=ab;URI=${id}`)
const refused: readonly (readonly [string, OutgoingHttpHeaders])[] = [
  ['our own identity', named(idOf('billing'))],
  ['a trust domain that is not accepted', named('spiffe://partner.example/ns/production/sa/orders')],
  ['a trust domain', named('spiffe://saas.example')],
  ['an expired certificate', xfcc.write(await authority.issue(idOf('orders'), { faults: ['expired'] }))],
  ['a certificate of another trust domain', xfcc.write(await partner.issue('spiffe://partner.example/a'))],
  [
    'two header lines',
    { 'x-forwarded-client-cert': [orders, orders].flatMap((svid) => Object.values(xfcc.write(svid)).map(String)) },
  ],
  ['text', xfcc.garble('?')],
]

describe('promise 11: what any peer may assert counts only on a listener of its own, and only for rules that name it', () => {
  for (const setup of setups) {
    test(`${setup.name}: asserted callers meet only rules that name them`, async (context) => {
      const service = await startService(context, setup, { source, rules, credentials })
      for (const svid of [null, orders, await authority.issue(idOf('neighbour'))]) {
        const peer = service.as(svid)
        for (const headers of [named(idOf('reports')), xfcc.write(await authority.issue(idOf('reports')))]) {
          assert.deepEqual(await ask(peer, '/open', headers), [idOf('reports'), null])
          assert.equal(await ask(peer, '/admin', headers), 403)
        }
        assert.equal(await ask(peer, '/open'), 401)
        for (const [what, headers] of refused) assert.equal(await ask(peer, '/open', headers), 403, what)
      }
      assert.ok(service.seen.every(({ credential }) => credential === 'asserted'))
      assert.ok(!service.seen.some(({ names }) => names.some((name) => name.includes('cert'))))
      // A certificate that is presented has to be valid all the same.
      const foreign = await partner.issue('spiffe://partner.example/ns/production/sa/orders')
      await assert.rejects(service.as(foreign).fetch('/open', { headers: named(idOf('reports')) }))
    })

    test(`${setup.name}: without an assertion a caller is anonymous in permissive mode, and never with an invalid one`, async (context) => {
      const opened = [{ path: '/**', allow: permitAll() }]
      const service = await startService(context, setup, { source, rules: opened, credentials, permissive: { until } })
      for (const svid of [null, orders]) {
        assert.deepEqual(await ask(service.as(svid), '/open'), [null, null])
        for (const [what, headers] of refused) assert.equal(await ask(service.as(svid), '/open', headers), 403, what)
      }
      assert.equal(service.seen.length, 2)
    })
  }

  for (const framework of ['Fastify', 'Express'] as const) {
    test(`${framework}: the same over plaintext on loopback`, async (context) => {
      const { port, seen, server } = await startPlaintext(context, framework)
      server.on('upgrade', (_request, socket: Socket) => {
        seen.push('upgrade')
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      })
      assert.deepEqual(await send(port, '/open', named(idOf('reports'))), [200, idOf('reports')])
      assert.equal((await send(port, '/admin', named(idOf('reports'))))[0], 403)
      assert.equal((await send(port, '/open'))[0], 401)
      for (const [what, headers] of refused) assert.equal((await send(port, '/open', headers))[0], 403, what)
      assert.deepEqual(seen, [idOf('reports')])
      for (const [header, status] of [
        ['', 401],
        [`X-Forwarded-Client-Cert: ${String(named(idOf('reports'))['x-forwarded-client-cert'])}\r\n`, 101],
      ]) {
        const socket = connect(port, '127.0.0.1')
        socket.write(`GET /open HTTP/1.1\r\nHost: a\r\n${header}Connection: upgrade\r\nUpgrade: x\r\n\r\n`)
        assert.match(await text(socket), new RegExp(`^HTTP/1.1 ${status} `))
      }
      assert.deepEqual(seen, [idOf('reports'), 'upgrade'])
    })
  }

  for (const [where, listen] of addresses) {
    test(`plaintext: refuses to listen on ${where}`, async (context) => {
      for (const order of ['attached before', 'attached afterwards']) {
        const guard = createGuard({ source, rules, credentials, log: () => undefined })
        const server = createHttpServer(() => assert.fail('a request reached the handler'))
        context.after(() => server.close())
        const errors: Error[] = []
        server.on('error', (error) => errors.push(error))
        const closed = new Promise((resolve) => server.once('close', resolve))
        if (order === 'attached before') guard.attach(server)
        listen(server)
        if (order === 'attached afterwards') {
          await new Promise((resolve) => server.once('listening', resolve))
          guard.attach(server)
        }
        await closed
        // Once: `once` is how applications listen for it.
        assert.deepEqual(
          errors.map((error) => 'code' in error && error.code),
          ['server_unsuitable'],
          order,
        )
      }
    })
  }

  test('plaintext: listens on loopback addresses', async (context) => {
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', '::ffff:127.0.0.1']) {
      const guard = createGuard({ source, rules, credentials, log: () => undefined })
      const server = createHttpServer((_request, response) => response.end())
      guard.attach(server)
      context.after(() => server.close())
      server.listen(0, host)
      await once(server, 'listening')
      await new Promise(setImmediate)
      assert.ok(server.listening, host)
    }
  })

  for (const [what, options] of [
    ['only certificates', {}],
    [
      'listed proxies',
      {
        credentials: {
          forwarded: { proxies: [{ id: idOf('edge'), forwards: ['spiffe://saas.example/**'] }], format: 'xfcc' },
        },
      },
    ],
    ['permissive mode', { permissive: { until } }],
  ] as const) {
    test(`a guard with ${what} attaches no server without TLS`, () => {
      const guard = createGuard({
        source,
        rules: [{ path: '/**', allow: permitAll() }],
        log: () => undefined,
        ...options,
      })
      assert.throws(() => guard.attach(createHttpServer()), { code: 'server_unsuitable' })
    })
  }

  test('a running response ends when an update no longer proves the asserted certificate', async (context) => {
    const successor = await createAuthority('saas.example')
    const both = await authority.source(idOf('billing'), { federated: [successor] })
    const young = await successor.issue(idOf('young'))
    const guard = createGuard({ source: both, rules, credentials, log: () => undefined })
    const server = createHttpServer((_request, response) => response.write('first'))
    guard.attach(server)
    context.after(() => {
      server.close()
      server.closeAllConnections()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const port = portOf(server)
    const begin = async (headers: OutgoingHttpHeaders): Promise<IncomingMessage> => {
      const response = await open(port, '/open', headers)
      return response.resume().on('error', () => undefined)
    }
    const [ending, staying] = [await begin(xfcc.write(young)), await begin(xfcc.write(orders))]
    both.replace({ bundles: { 'saas.example': authority } })
    await new Promise((resolve) => ending.once('close', resolve))
    assert.ok(!staying.closed)
  })
})

const addresses: readonly (readonly [string, (server: Server) => unknown])[] = [
  ['all addresses', (server) => server.listen(0)],
  ['0.0.0.0', (server) => server.listen(0, '0.0.0.0')],
]

interface Plaintext {
  readonly port: number
  readonly server: Server
  readonly seen: string[]
}

async function startPlaintext(context: TestContext, framework: 'Fastify' | 'Express'): Promise<Plaintext> {
  const seen: string[] = []
  const guard = createGuard({ source, rules, credentials, log: () => undefined })
  if (framework === 'Fastify') {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(countersign, { guard })
    for (const path of ['/open', '/admin']) {
      app.get(path, ({ principal }) => {
        seen.push(principal?.name ?? '')
        return principal?.name
      })
    }
    await app.listen({ host: '127.0.0.1', port: 0 })
    context.after(() => app.close())
    return { port: portOf(app.server), server: app.server, seen }
  }
  const app = express()
  app.use(countersignExpress(guard))
  app.get(['/open', '/admin'], ({ principal }, response) => {
    seen.push(principal?.name ?? '')
    response.end(principal?.name)
  })
  const server = createHttpServer(app)
  guard.attach(server)
  context.after(() => {
    server.close()
    server.closeAllConnections()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: portOf(server), server, seen }
}

async function send(
  port: number,
  path: string,
  headers: OutgoingHttpHeaders = {},
): Promise<readonly [number | undefined, string]> {
  const response = await open(port, path, headers)
  return [response.statusCode, await text(response)]
}

function open(port: number, path: string, headers: OutgoingHttpHeaders): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, agent: false }, resolve).on('error', reject).end()
  })
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
