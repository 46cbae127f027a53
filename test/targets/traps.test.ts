import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { countersign as countersignExpress } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { requestText } from './raw-connection.ts'
import { requestLines } from './request-lines.ts'
import { connectAs, createQuietGuard, createCallers, type Callers } from './guarded-targets.ts'

let callers: Callers
before(async () => {
  callers = await createCallers()
})

test('the table of request lines covers all 38 classes', () => {
  assert.equal(requestLines.size, 38)
})

describe('Fastify', () => {
  test('decides a rewritten target, and refuses one that was not canonical before', async () => {
    const guard = createQuietGuard(callers.source)
    const rewriteUrl = ({ url = '' }: { url?: string | undefined }): string =>
      url.startsWith('/go') ? '/admin' : url.replace('//', '/')
    const app = Fastify({ https: guard.tlsOptions(), rewriteUrl })
    await app.register(countersign, { guard })
    app.get('/admin', () => 'secret')
    await using running = await serve(guard, app)
    const attacker = connectAs(running, callers.attacker)
    const entitled = connectAs(running, callers.entitled)
    assert.equal((await attacker.send(requestText('GET /go HTTP/1.1'))).status, 403)
    assert.equal((await entitled.send(requestText('GET /go HTTP/1.1'))).status, 200)
    assert.equal((await entitled.send(requestText('GET //admin HTTP/1.1'))).status, 400)
  })

  test('guards a route beside a plugin with a prefix, and paths without a route', async () => {
    const guard = createQuietGuard(callers.source)
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    await app.register(async (child) => void child.get('/x', () => 'secret'), { prefix: '/admin' })
    app.get('/admin/sneaky', () => 'secret')
    await using running = await serve(guard, app)
    const attacker = connectAs(running, callers.attacker)
    for (const path of ['/admin/x', '/admin/sneaky', '/admin/none']) {
      assert.equal((await attacker.send(requestText(`GET ${path} HTTP/1.1`))).status, 403, path)
    }
    assert.equal((await attacker.send(requestText('GET /none HTTP/1.1'))).status, 404)
  })

  test('reaches no protected route through an unusual :path of HTTP/2', async () => {
    const guard = createQuietGuard(callers.source)
    const app = Fastify({
      http2: true,
      https: guard.tlsOptions(),
      routerOptions: { caseSensitive: false, ignoreDuplicateSlashes: true },
    })
    await app.register(countersign, { guard })
    app.get('/admin', () => 'secret')
    await using running = await serve(guard, app)
    const paths = [
      '/admin',
      '//admin',
      '/ADMIN',
      '/%61dmin',
      '/admin#x',
      'admin',
      '*',
      'http://a/admin',
      '/admin?x',
      '/x/../admin',
    ]
    for (const path of paths) {
      const status = await running
        .as(callers.attacker, { http2: true })
        .fetch(path)
        .then(
          (response) => response.status,
          () => 0,
        )
      assert.ok([0, 400, 403, 404].includes(status), `${path}: ${status}`)
    }
    assert.equal((await running.as(callers.entitled, { http2: true }).fetch('/ADMIN')).status, 200)
  })
})

describe('Express', () => {
  test('guards automatic OPTIONS responses, and refuses requests without exactly one plain Host', async () => {
    const guard = createQuietGuard(callers.source)
    const app = express().use(countersignExpress(guard))
    app.get('/admin', (_request, response) => void response.send('secret'))
    await using running = await serve(guard, app)
    const attacker = connectAs(running, callers.attacker)
    const entitled = connectAs(running, callers.entitled)
    assert.equal((await attacker.send(requestText('OPTIONS /admin HTTP/1.1'))).status, 403)
    assert.equal((await entitled.send(requestText('OPTIONS /admin HTTP/1.1'))).status, 200)
    for (const headers of [['Host: a', 'Host: b'], ['Host: a/b?x='], ['Host: u@b'], ['Host:']]) {
      assert.equal((await entitled.send(requestText('GET /admin HTTP/1.1', headers))).status, 400, headers.join())
    }
    assert.equal((await entitled.send(requestText('GET /admin HTTP/1.0', ['Connection: close']))).status, 400)
  })

  test('decides the full path in a router that was mounted together with the guard', async () => {
    const guard = createQuietGuard(callers.source)
    const router = express
      .Router()
      .use(countersignExpress(guard))
      .get('/', (_request, response) => void response.send('secret'))
    await using running = await serve(guard, express().use('/admin', router))
    for (const path of ['/admin', '/ADMIN', '/admin/', '/admin?x', '/admin/?x']) {
      assert.equal(
        (await connectAs(running, callers.attacker).send(requestText(`GET ${path} HTTP/1.1`))).status,
        403,
        path,
      )
      assert.equal(
        (await connectAs(running, callers.entitled).send(requestText(`GET ${path} HTTP/1.1`))).status,
        200,
        path,
      )
    }
  })
})
