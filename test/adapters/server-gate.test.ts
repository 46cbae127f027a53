import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { describe, test } from 'node:test'
import { authenticated, custom } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { countersign as countersignExpress, createServer as createExpressServer } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { attacker, authority, create, entitled, idOf, listen, peerOf, reasonsOf } from './guarded-by-rules.ts'

describe('a server that is attached without an adapter', () => {
  test('passes its listener no request that the rules deny', async (context) => {
    const { guard } = create({})
    const reached: string[] = []
    const server = createServer({ ...guard.tlsOptions() }, ({ url }, response) => {
      reached.push(url ?? '')
      response.end('reached')
    })
    guard.attach(server)
    const port = await listen(context, server)
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE']) {
      const response = await peerOf(context, port, attacker).fetch('/admin/x', { method })
      assert.equal(response.status, 403, method)
      assert.equal(response.headers.get('content-type'), 'application/problem+json', method)
      const body = await response.text()
      if (method !== 'HEAD') assert.equal(response.headers.get('content-length'), String(Buffer.byteLength(body)))
    }
    assert.equal((await peerOf(context, port, attacker).fetch('/x/../admin')).status, 400)
    assert.deepEqual(reached, [])
    assert.equal((await peerOf(context, port, entitled).fetch('/admin/x')).status, 200)
    assert.deepEqual(reached, ['/admin/x'])
  })

  test('keeps the connection of a denied request open and answers the next request on it', async (context) => {
    const { guard } = create({})
    const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end('reached'))
    guard.attach(server)
    let connections = 0
    server.on('secureConnection', () => (connections += 1))
    const peer = peerOf(context, await listen(context, server), attacker)
    for (const [target, status] of [
      ['/admin', 403],
      ['/open', 200],
      ['/admin', 403],
      ['/open', 200],
    ] as const) {
      const response = await peer.fetch(target, { method: 'POST', body: 'x'.repeat(1000) })
      assert.equal(response.status, status)
      await response.text()
    }
    assert.equal(connections, 1)
  })

  for (const http2 of [true, false]) {
    test(`decides ${http2 ? 'HTTP/2' : 'HTTP/1.1 beside HTTP/2'} like HTTP/1.1`, async (context) => {
      const { guard } = create({})
      const server = createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true })
      guard.attach(server)
      const reached: string[] = []
      server.on('request', ({ url }, response) => {
        reached.push(url)
        response.end('reached')
      })
      const port = await listen(context, server)
      const denied = await peerOf(context, port, attacker, http2).fetch('/admin/x')
      assert.equal(denied.status, 403)
      assert.match(await denied.text(), /access_denied/)
      assert.equal((await peerOf(context, port, entitled, http2).fetch('/admin/x')).status, 200)
      assert.deepEqual(reached, ['/admin/x'])
    })
  }

  test('decides a request that a checkContinue listener emits again only once', async (context) => {
    let asked = 0
    const count = custom('count', () => {
      asked += 1
      return true
    })
    const { guard } = create({ rules: [{ path: '/**', allow: count }] })
    const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end('reached'))
    guard.attach(server)
    server.on('checkContinue', (request, response) => {
      response.writeContinue()
      server.emit('request', request, response)
    })
    const peer = peerOf(context, await listen(context, server), attacker)
    const socket = await peer.connect()
    socket.write(
      'POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx',
    )
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    await once(socket, 'close')
    assert.match(String(Buffer.concat(received)), /^HTTP\/1\.1 100 [^]*HTTP\/1\.1 200 /)
    assert.equal(asked, 1)
  })

  for (const [change, alter] of [
    ['whose target the listener changed', (request: IncomingMessage) => void (request.url = '/admin')],
    [
      'whose target the listener changed after starting to respond',
      (request: IncomingMessage, response: ServerResponse) => {
        response.writeHead(200).flushHeaders()
        request.url = '/admin'
      },
    ],
    [
      'whose caller has lost its authority in the meantime',
      (_request: IncomingMessage, _response: ServerResponse, withdraw: () => void) => withdraw(),
    ],
  ] as const) {
    test(`decides again a request that a checkContinue listener emits again, ${change}`, async (context) => {
      const own = await authority.source(idOf('billing'))
      const successor = await createAuthority('saas.example')
      const next = { svid: await successor.issue(idOf('billing')), bundles: { 'saas.example': successor } }
      const { guard } = create({ source: own })
      const reached: string[] = []
      const server = createServer({ ...guard.tlsOptions() }, ({ url }, response) => {
        reached.push(url ?? '')
        response.end('reached')
      })
      guard.attach(server)
      const emitted = new Promise((resolve) => {
        server.on('checkContinue', (request, response) => {
          alter(request, response, () => own.replace(next))
          resolve(server.emit('request', request, response))
        })
      })
      const socket = await peerOf(context, await listen(context, server), attacker).connect()
      socket.on('error', () => undefined)
      socket.write(
        'POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      )
      await emitted
      if (!socket.closed) await once(socket.resume(), 'close')
      assert.deepEqual(reached, [])
    })
  }

  test('denies a request that another server received, and ignores values that are not requests', async (context) => {
    const { guard, events } = create({})
    const reached: unknown[] = []
    const server = createServer({ ...guard.tlsOptions() }, (_request, response) => {
      reached.push('request')
      response.end('reached')
    })
    guard.attach(server)
    const open = createHttpServer((request, response) => server.emit('request', request, response))
    const port = await listen(context, open)
    assert.equal((await fetch(`http://127.0.0.1:${port}/x`)).status, 403)
    assert.deepEqual(reasonsOf(events), ['unauthenticated'])
    let destroyed = 0
    server.emit('request', { url: '/x', method: 'GET' }, { destroy: () => (destroyed += 1) })
    server.emit('request', undefined, undefined)
    assert.equal(destroyed, 1)
    assert.deepEqual(reached, [])
  })

  test('denies every request that the rules leave to a route if no adapter decides it', async (context) => {
    const { guard, events } = create({ rules: undefined })
    const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end('reached'))
    guard.attach(server)
    const peer = peerOf(context, await listen(context, server), entitled)
    assert.equal((await peer.fetch('/x')).status, 403)
    assert.deepEqual(reasonsOf(events), ['no_route_requirement'])
  })

  test('answers 503 if an adapter cannot say how paths are read', async (context) => {
    const { guard, events } = create({})
    const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end('reached'))
    forAdapter(guard).attach(server, { routing: () => assert.fail('another version of the framework') })
    const peer = peerOf(context, await listen(context, server), entitled)
    assert.equal((await peer.fetch('/x')).status, 503)
    assert.deepEqual(reasonsOf(events), ['evaluation_error'])
  })
})

describe('no part of the framework sees a denied request', () => {
  test('with Fastify: no hook that was added before the plugin runs', async () => {
    const { guard } = create({})
    const app = Fastify({ https: guard.tlsOptions() })
    const seen: string[] = []
    app.addHook('onRequest', async ({ url }) => void seen.push(url))
    app.addHook('onResponse', async ({ url }) => void seen.push(url))
    await app.register(countersign, { guard })
    app.get('/admin/x', () => 'secret')
    await using running = await serve(guard, app)
    assert.equal((await running.as(attacker).fetch('/admin/x')).status, 403)
    assert.equal((await running.as(attacker).fetch('/x//y')).status, 400)
    assert.deepEqual(seen, [])
    assert.equal((await running.as(attacker).fetch('/none')).status, 404)
    assert.deepEqual(seen, ['/none', '/none'])
  })

  for (const creates of ['createServer(guard, app)', 'guard.attach(server)'] as const) {
    test(`with Express and ${creates}: no middleware mounted before countersign() runs`, async (context) => {
      const { guard } = create({})
      const seen: string[] = []
      const app = express()
      app.use('/admin', (request, response) => {
        seen.push(request.originalUrl)
        response.end('secret')
      })
      app.use(countersignExpress(guard))
      app.get('/x', (_request, response) => void response.end('x'))
      const server =
        creates === 'createServer(guard, app)'
          ? createExpressServer(guard, app)
          : createServer({ ...guard.tlsOptions() }, app)
      if (creates === 'guard.attach(server)') guard.attach(server)
      const port = await listen(context, server)
      for (const target of ['/admin', '/admin/x', '/ADMIN', '/Admin/x', '/admin/', '/%61dmin']) {
        assert.equal((await peerOf(context, port, attacker).fetch(target)).status, 403, target)
      }
      assert.deepEqual(seen, [])
      assert.equal((await peerOf(context, port, entitled).fetch('/ADMIN/x')).status, 200)
      assert.deepEqual(seen, ['/ADMIN/x'])
      assert.equal((await peerOf(context, port, attacker).fetch('/x')).status, 200)
    })
  }
})

test('a server detects how its listener reads paths, whichever is created first, and when the listener changes', async (context) => {
  const { guard } = create({ rules: [{ path: '/admin', allow: authenticated() }] })
  const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end('plain'))
  guard.attach(server)
  const peer = peerOf(context, await listen(context, server), attacker)
  assert.equal((await peer.fetch('/ADMIN')).status, 403)
  const app = express().use(countersignExpress(guard))
  app.get('/admin', (_request, response) => void response.end('express'))
  server.removeAllListeners('request')
  server.on('request', app)
  assert.equal(await (await peer.fetch('/ADMIN')).text(), 'express')
  server.removeAllListeners('request')
  server.on('request', (_request, response) => response.end('plain'))
  assert.equal((await peer.fetch('/ADMIN')).status, 403)
  assert.equal(await (await peer.fetch('/admin')).text(), 'plain')
})
