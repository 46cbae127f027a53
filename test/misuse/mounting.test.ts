import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { authenticated } from '@countersign/core'
import { allow, countersign, createServer } from '@countersign/express'
import * as fastify from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import express, { type Express, type Request, type Response } from 'express'
import Fastify from 'fastify'
import { refusal } from '../adapters/refusal.ts'
import { authority, call, callMethod, coreApi, create, guard } from './mistakes.ts'

describe('an Express application does not listen', () => {
  for (const [what, named, build] of [
    ['with allow that was not called', /found allow at \/x, which was not called/, (app) => mount(app, '/x', allow)],
    [
      'with allow that was not called in a router',
      /found allow at \/a\/x, which was not called/,
      (app) => app.use('/a', mount(express.Router(), '/x', allow)),
    ],
    [
      'with countersign that was not called',
      /found countersign at \/, which was/,
      (app) => mount(app, '/', countersign),
    ],
    [
      'with the middleware of a second guard',
      /countersign\(\) of another guard at \/b, expected that of the server's/,
      (app) => app.use('/b', countersign(create())),
    ],
    [
      'with allow() after the handler',
      /route \/x: found allow\(…\) after a handler that responds/,
      (app) => app.get('/x', answer, allow([coreApi])),
    ],
    [
      'with allow() after the handler of its method',
      /route \/a\/x: found allow/,
      (app) => app.use('/a', express.Router().get('/x', pass, answer, allow([coreApi]), answer)),
    ],
  ] satisfies readonly (readonly [string, RegExp, (app: Express) => unknown])[]) {
    test(what, async () => {
      const app = express().use(countersign(guard))
      build(app)
      refusal('registration_invalid', named)(await listen(app))
    })
  }

  test('with routes before the guard, and names all of them', async () => {
    const inner = express.Router().post('/c', answer)
    const app = express()
      .get('/a', answer)
      .get('/ok', allow([coreApi]), answer)
      .use('/b', inner)
      .use(countersign(guard))
    app.get('/behind', answer)
    const named = /^createServer: 2 routes, \/a, \/b\/c are registered before countersign\(guard\)/
    refusal('registration_invalid', named)(await listen(app))
  })
})

test('an Express application listens with allow() after a handler that calls next, or for another method', async () => {
  const app = express().use(countersign(guard))
  app.get('/x', pass, allow([coreApi]), answer)
  app
    .route('/y')
    .post(answer)
    .get(allow([coreApi]), answer)
  app.all('/z', allow([coreApi])).get('/z', answer)
  assert.equal(await listen(app), undefined)
})

test('an Express 4 application answers every request with an error, whichever server runs it', async () => {
  const require = createRequire(import.meta.url)
  const express4: unknown = require('express4')
  const app = call(express4)
  assert.ok(isApp(app))
  app.use(countersign(guard))
  app.get('/x', answer)
  await using running = await serve(guard, app)
  const response = await running.as(await authority.issue(coreApi)).fetch('/x')
  assert.equal(response.status, 500)
  assert.match(await response.text(), /Express 4/)
})

test('allow() of one framework denies every request on the other', async () => {
  const app = Fastify()
  const foreign: object = { onRequest: allow(authenticated()) }
  app.get('/x', foreign, () => assert.fail('the handler ran'))
  const response = await app.inject('/x')
  assert.equal(response.statusCode, 500)
  assert.match(response.body, /@countersign\/fastify/)

  const server = createHttpServer(mount(express(), '/x', fastify.allow(authenticated()))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object')
  const answered = await fetch(`http://127.0.0.1:${address?.port}/x`)
  server.close()
  assert.equal(answered.status, 500)
  assert.match(await answered.text(), /@countersign\/express/)
})

describe("Fastify's allow that was not called", () => {
  const uncalled: object = { onRequest: fastify.allow }

  test('does not start with the plugin', async () => {
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(fastify.countersign, { guard })
    assert.throws(
      () => app.get('/x', uncalled, () => 'handled'),
      refusal('registration_invalid', /GET \/x: found allow as onRequest without being called/),
    )
  })

  test('answers every request with an error without the plugin', async () => {
    const app = Fastify()
    app.get('/x', uncalled, () => assert.fail('the handler ran'))
    const response = await app.inject('/x')
    assert.equal(response.statusCode, 500)
    assert.match(response.body, /without being called/)
  })
})

/** Starts listening; returns the error that stops it, if any. */
async function listen(app: Express): Promise<unknown> {
  const server = createServer(guard, app)
  const error = await new Promise<unknown>((resolve) => {
    server.once('error', resolve)
    server.listen(0, '127.0.0.1', () => setImmediate(() => resolve(undefined)))
  })
  assert.equal(server.listening, error === undefined)
  server.close()
  return error
}

/** Mounts any value, as untyped code would. */
function mount<App extends { use: unknown }>(app: App, path: string, handler: unknown): App {
  callMethod(app, 'use', path, handler)
  return app
}

function isApp(value: unknown): value is Express {
  return typeof value === 'function' && 'use' in value
}

function pass(_request: Request, _response: Response, next: () => void): void {
  next()
}

function answer(_request: Request, response: Response): void {
  response.end('handled')
}
