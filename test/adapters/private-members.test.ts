import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { describe, test } from 'node:test'
import websocket from '@fastify/websocket'
import express from 'express'
import Fastify from 'fastify'
import {
  createConfigReader,
  findServerBindings,
  hasLogger,
  hasRoutes,
  isRoot,
  mayRewrite,
  readOriginalUrl,
  routesUpgrade,
} from '../../packages/fastify/src/fastify-internals.ts'
import {
  findRequestPrototype,
  findRootApp,
  isApplication,
  isExpress4,
  isRouter,
  readAppOptions,
  readLayers,
} from '../../packages/express/src/express-internals.ts'
import { changed } from '../support/private-member.ts'

/*
 * The undocumented members of Fastify and Express that the adapters read. A test that fails here says which member
 * changed.
 */

describe('Fastify', () => {
  const internals = 'fastify/src/fastify-internals.ts'

  test('stores the additional servers of an instance under the symbol fastify.serverBindings', () => {
    const message = changed("the symbol 'fastify.serverBindings'", internals)
    assert.deepEqual(findServerBindings(Fastify()), [], message)
  })

  test('stores the options of an instance under the symbol fastify.options', () => {
    const message = changed("the symbol 'fastify.options'", internals)
    assert.equal(mayRewrite(Fastify()), false, message)
    assert.equal(mayRewrite(Fastify({ rewriteUrl: ({ url = '' }) => url })), true, message)
  })

  test('stores the configuration of a route under the symbol fastify.context of the request', async () => {
    const app = Fastify()
    const read = createConfigReader()
    const found: unknown[] = []
    app.get('/hello', { config: { allow: [] } }, (request) => {
      // Without the getter that is used if there is no such symbol.
      const { config, ...routeOptions } = request.routeOptions
      const bare = { routeOptions: { ...routeOptions, config: { ...config } } }
      Object.defineProperties(bare, Object.getOwnPropertyDescriptors(request))
      found.push(read(bare), config)
      return 'ok'
    })
    await app.inject('/hello')
    assert.equal(found.length, 2)
    assert.equal(found[0], found[1], changed("the symbol 'fastify.context' of a request", internals))
  })

  test('stores the received target as originalUrl if rewriteUrl replaced it', async () => {
    const app = Fastify({ rewriteUrl: () => '/new' })
    app.get('/new', ({ raw }) => readOriginalUrl(raw))
    assert.equal((await app.inject('/old')).body, '/old', changed('originalUrl of a raw request', internals))
  })

  test('creates a child instance with its parent as prototype', async () => {
    const app = Fastify()
    const message = changed('the prototype of an instance', internals)
    assert.equal(isRoot(app), true, message)
    await app.register(async (child) => assert.equal(isRoot(child), false, message))
  })

  test('prints an instance without routes as an empty string', () => {
    const app = Fastify()
    const message = changed('the text of printRoutes()', internals)
    assert.equal(hasRoutes(app), false, message)
    app.get('/', () => 'ok')
    assert.equal(hasRoutes(app), true, message)
  })

  test('has the same function for all logger methods if logging is disabled', () => {
    const message = changed('the logger of an instance without one', internals)
    assert.equal(hasLogger(Fastify()), false, message)
    assert.equal(hasLogger(Fastify({ logger: { level: 'error' } })), true, message)
  })

  test('passes upgrades to its router with routing(), which @fastify/websocket calls', async (context) => {
    const app = Fastify()
    context.after(() => app.close())
    await app.register(websocket)
    const [listener, ...more] = app.server.listeners('upgrade')
    assert.ok(listener !== undefined && more.length === 0)
    assert.equal(routesUpgrade(listener), true, changed("the 'upgrade' listener of @fastify/websocket", internals))
    assert.equal(
      routesUpgrade(() => undefined),
      false,
    )
  })
})

// It has no types.
function createExpress4(): unknown {
  const express4: unknown = createRequire(import.meta.url)('express4')
  assert.ok(typeof express4 === 'function')
  return Reflect.apply(express4, undefined, [])
}

describe('Express', () => {
  const internals = 'express/src/express-internals.ts'

  test('has lazyrouter in version 4 and not in version 5', () => {
    const message = changed('lazyrouter of an application', internals)
    assert.equal(isExpress4(createExpress4()), true, message)
    assert.equal(isExpress4(express()), false, message)
  })

  test('shows what kind of request listener it is', () => {
    assert.equal(isApplication(express()), true, changed('mountpath or router of an application', internals))
    assert.equal(isRouter(express.Router()), true, changed('stack or caseSensitive of a router', internals))
    assert.equal(isApplication(express.Router()), false)
    assert.equal(isRouter(express()), false)
  })

  test('stores mounted handlers in the stack of its router', () => {
    const app = express()
    const router = express.Router({ caseSensitive: true, strict: true })
    const handler = (): void => undefined
    app.use(handler)
    app.get('/Invoices', handler)
    router.post(/^\/x/, handler)
    app.use('/api', router)
    app.use('/mounted', express())

    const [middleware, route, mounted, application] = readLayers(app)
    assert.equal(middleware?.handle, handler, changed('router.stack or layer.handle', internals))
    assert.equal(middleware?.kind, 'middleware', changed('layer.route', internals))
    assert.deepEqual(
      [route?.kind, route?.path],
      ['route', '/Invoices'],
      changed('layer.route or layer.rawPath', internals),
    )
    const inner = route?.stack.map(({ handle, method }) => [handle, method])
    assert.deepEqual(inner, [[handler, 'get']], changed('route.stack, layer.handle or layer.method', internals))
    assert.deepEqual([mounted?.kind, mounted?.path], ['router', '/api'], changed('layer.handle.stack', internals))
    const options = changed('router.caseSensitive or router.strict', internals)
    assert.deepEqual(mounted?.router, { isCaseSensitive: true, isStrict: true }, options)
    assert.equal(mounted?.stack[0]?.isExpression, true, changed('layer.rawPath', internals))
    const hidden = changed('the function around a mounted application', internals)
    assert.deepEqual([application?.kind, application?.path], ['application', '/mounted'], hidden)
  })

  test("gives an application's router the options from its settings", () => {
    const app = express()
    const message = changed('router.caseSensitive or router.strict', internals)
    app.set('case sensitive routing', true)
    assert.deepEqual(readAppOptions(app), { isCaseSensitive: true, isStrict: false }, message)
  })

  test('tells a mounted application its parent', () => {
    const [outer, inner] = [express(), express()]
    outer.use('/inner', inner)
    assert.equal(findRootApp(inner), outer, changed('parent of an application', internals))
  })

  test('gives every request of an application the same prototype', () => {
    const app = express()
    const found: unknown[] = []
    app.use((request, response) => {
      found.push(findRequestPrototype(request))
      response.end()
    })
    const request = new IncomingMessage(new Socket())
    Object.assign(request, { method: 'GET', url: '/' })
    app(request, new ServerResponse(request))
    assert.deepEqual(found, [app.request], changed('the prototype of a request', internals))
  })
})
