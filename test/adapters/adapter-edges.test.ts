import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import express from 'express'
import Fastify from 'fastify'
import { authenticated, createGuard, type Guard, type Rule } from '@countersign/core'
import { countersign as guardExpress } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const saas = await createAuthority('saas.example')

async function createQuietGuard(rules: readonly Rule[]): Promise<Guard> {
  return createGuard({ source: await saas.source(billing), rules, log: () => undefined })
}

test('Fastify: an empty parameter with a slash in its expression is denied like any other empty parameter', async () => {
  const guard = await createQuietGuard([
    { path: '/files/*', allow: [billing] },
    { path: '/**', allow: authenticated() },
  ])
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/files/:name(^[^/]*$)', () => assert.fail('the handler ran'))
  assert.equal((await saas.as(coreApi).inject(app, '/files/a')).statusCode, 403)
  assert.equal((await saas.as(coreApi).inject(app, '/files/')).statusCode, 403)
  await app.close()
})

test('Fastify: a hook that replaces config with one that has the same allow changes nothing', async () => {
  const guard = await createQuietGuard([{ path: '/**', allow: authenticated() }])
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.addHook('onRoute', (route) => {
    const { allow = [] } = route.config ?? {}
    route.config = { allow }
  })
  app.get('/invoices', { config: { allow: [billing] } }, () => assert.fail('the handler ran'))
  // Refusing to start would also be correct.
  const isStarted = await app.ready().then(
    () => true,
    () => false,
  )
  if (isStarted) assert.equal((await saas.as(coreApi).inject(app, '/invoices')).statusCode, 403)
  await app.close()
})

test('Express: a guarded request does not change a route outside the guard', async () => {
  const guard = await createQuietGuard([{ path: '/**', allow: authenticated() }])
  const app = express()
  app.get('/session', (request, response) => {
    Object.assign(request, { principal: 'of the session' })
    response.json({ principal: Reflect.get(request, 'principal') })
  })
  app.use(guardExpress(guard))
  app.get('/in', (_request, response) => void response.send('in'))
  await using running = await serve(guard, app)
  const peer = running.as(await saas.issue(coreApi))
  assert.equal((await peer.fetch('/session')).status, 200)
  assert.equal((await peer.fetch('/in')).status, 200)
  assert.equal((await peer.fetch('/session')).status, 200)
})

test("Express: a middleware after the guard cannot replace the caller's principal", async () => {
  const guard = await createQuietGuard([{ path: '/**', allow: authenticated() }])
  const app = express().use(guardExpress(guard))
  const refused: unknown[] = []
  app.use((request, _response, next) => {
    try {
      Reflect.set(request, 'principal', { name: billing })
    } catch (error) {
      refused.push(error)
    }
    next()
  })
  app.get('/', ({ principal }, response) => void response.send(principal?.name))
  await using running = await serve(guard, app)
  const response = await running.as(await saas.issue(coreApi)).fetch('/')
  assert.equal(await response.text(), coreApi)
  assert.ok(refused[0] instanceof TypeError)
})

test('denied requests with long query strings do not keep the query strings in memory', async () => {
  const guard = await createQuietGuard([{ path: '/a', allow: [billing] }])
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  await using running = await serve(guard, app)
  const peer = running.as(await saas.issue(coreApi))
  const query = 'x'.repeat(15_000)
  const ask = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const response = await peer.fetch(`/not-for-core-api/${index}?${query}`)
      assert.equal(response.status, 403)
      await response.arrayBuffer()
    }
  }
  await ask(100)
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  const measure = (): number => {
    if (typeof collect === 'function') Reflect.apply(collect, undefined, [])
    return process.memoryUsage().heapUsed
  }
  const before = measure()
  await ask(1500)
  const grown = measure() - before
  assert.ok(grown < 8 * 1024 * 1024, `the heap grew by ${grown} bytes`)
})
