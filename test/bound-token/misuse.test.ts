import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { authenticated, createGuard, type Guard } from '@countersign/core'
import {
  countersign as countersignExpress,
  createServer,
  requireBoundToken as requireInExpress,
} from '@countersign/express'
import countersign, { requireBoundToken } from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { createServer as createPlainServer } from 'node:http'
import { connectTo, portOf, readAll } from '../migration/start-listener.ts'

const authority = await createAuthority('saas.example')
const options = { verify: (): unknown => assert.fail('verified') }
const rules = [{ path: '/**', allow: authenticated() }]

async function createGuardOf(): Promise<Guard> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/payments')
  return createGuard({ source, rules, log: () => undefined })
}

async function createApp(): Promise<FastifyInstance> {
  const guard = await createGuardOf()
  const app: FastifyInstance = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  return app
}

describe('Fastify', () => {
  test('answers 503 without the plugin', async () => {
    const app = Fastify()
    app.get('/payments', { ...requireBoundToken(options) }, () => assert.fail('handled'))

    const response = await app.inject({ url: '/payments', headers: { authorization: 'Bearer a' } })
    assert.equal(response.statusCode, 503)
  })

  for (const place of [
    'onSend',
    'onResponse',
    'preSerialization',
    'preParsing',
    'onError',
    'handler',
    'errorHandler',
  ]) {
    test(`does not start with the hook as ${place}`, async () => {
      const app = await createApp()

      assert.throws(
        () =>
          app.route({ method: 'GET', url: '/payments', handler: () => 'paid', [place]: requireBoundToken(options) }),
        { code: 'registration_invalid' },
      )
    })
  }

  test('does not start with a hook that was not called', async () => {
    const app = await createApp()

    assert.throws(
      () => app.route({ method: 'GET', url: '/payments', handler: () => 'paid', onRequest: asHook(requireBoundToken) }),
      {
        code: 'registration_invalid',
      },
    )
  })

  test('answers 500 to every request if a hook that was not called was added to an instance without the plugin', async () => {
    const app = Fastify()
    app.addHook('onRequest', asHook(requireBoundToken))
    app.get('/payments', () => assert.fail('handled'))

    const response = await app.inject('/payments')
    assert.equal(response.statusCode, 500)
    assert.match(response.body, /registration_invalid/)
  })

  test('does not start with the hook among the options of a plugin', async () => {
    const app = await createApp()
    void app.register((_child, _options, done) => done(), { prefix: '/api', onRequest: requireBoundToken(options) })

    await assert.rejects(
      async () => {
        await app.ready()
      },
      { code: 'option_unknown' },
    )
  })

  test('refuses to run in Express', () => {
    let failure: unknown
    Reflect.apply(requireBoundToken(options), undefined, [{}, {}, (error: unknown) => (failure = error)])

    assert.equal(codeOf(failure), 'registration_invalid')
  })
})

describe('Express', () => {
  test('answers 503 without countersign()', async (t) => {
    const app = express()
    app.get('/payments', requireInExpress(options), () => assert.fail('handled'))
    const server = createPlainServer(app).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const socket = await connectTo(t, portOf(server))
    socket.write('GET /payments HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nConnection: close\r\n\r\n')

    assert.match((await readAll(socket)).toString(), /^HTTP\/1\.1 503 /)
  })

  test('does not start with a middleware that was not called', async () => {
    const guard = await createGuardOf()
    const app = express()
    app.use(countersignExpress(guard))
    app.use(asHook(requireInExpress))
    const server = createServer(guard, app)
    const failed = new Promise((resolve) => server.once('error', resolve))
    server.listen(0, '127.0.0.1')

    assert.equal(codeOf(await failed), 'registration_invalid')
  })

  test('fails each request if a middleware was not called', () => {
    assert.throws(() => Reflect.apply(requireInExpress, undefined, [{}, {}, () => undefined]), {
      code: 'option_invalid',
    })
  })

  test('refuses to run in Fastify', () => {
    let failure: unknown
    Reflect.apply(requireInExpress(options), undefined, [{}, {}, (error: unknown) => (failure = error)])

    assert.equal(codeOf(failure), 'registration_invalid')
  })
})

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : undefined
}

// What TypeScript would refuse, as a program in JavaScript could do it.
function asHook(factory: unknown): (...values: unknown[]) => void {
  assert.ok(isFunction(factory))
  return factory
}

function isFunction(value: unknown): value is (...values: unknown[]) => void {
  return typeof value === 'function'
}
