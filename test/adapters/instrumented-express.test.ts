import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { allow, countersign, createServer } from '@countersign/express'
import { authenticated, createGuard, denyAll, type Guard, serviceAccounts } from '@countersign/core'
import { createAuthority, Running } from '@countersign/testkit'
import express, { type Express } from 'express'

/*
 * Monitoring puts a function of its own around each middleware of an Express application. OpenTelemetry forwards the
 * enumerable properties of the middleware to it, Elastic APM copies them.
 */

type Handle = (...values: unknown[]) => unknown

const wrappers = {
  OpenTelemetry: (handle: Handle): Handle => {
    const wrapped: Handle = (...values) => handle(...values)
    for (const name in handle) {
      Object.defineProperty(wrapped, name, {
        get: (): unknown => Reflect.get(handle, name),
        set: (value: unknown) => {
          Reflect.set(handle, name, value)
        },
      })
    }
    return wrapped
  },
  'Elastic APM': (handle: Handle): Handle => Object.assign((...values: unknown[]) => handle(...values), handle),
} as const

/** Wraps each middleware and each handler in a function, also in routers and routes. */
function instrument(router: object, wrap: (handle: Handle) => Handle): void {
  const stack: unknown = Reflect.get(router, 'stack')
  const layers: readonly object[] = Array.isArray(stack) ? stack : []
  for (const layer of layers) {
    const handle: unknown = Reflect.get(layer, 'handle')
    const route: unknown = Reflect.get(layer, 'route')
    if (typeof route === 'object' && route !== null) instrument(route, wrap)
    else if (isHandle(handle)) {
      instrument(handle, wrap)
      // Express checks the number of parameters.
      Reflect.set(layer, 'handle', Object.defineProperty(wrap(handle), 'length', { value: handle.length }))
    }
  }
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'function'
}

const authority = await createAuthority('saas.example')
const coreApi = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

async function create(): Promise<Guard> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const rules = [
    { path: '/closed/**', allow: denyAll() },
    { path: '/**', allow: authenticated() },
  ]
  return createGuard({ source, rules, log: () => undefined })
}

async function listen(context: TestContext, guard: Guard, app: Express): Promise<Running> {
  const server = createServer(guard, app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  context.after(() => running.close())
  return running
}

for (const [name, wrap] of Object.entries(wrappers)) {
  test(`guards an application that ${name} instruments`, async (context) => {
    const guard = await create()
    const app = express()
    app.get('/early', allow(serviceAccounts('production/nobody')), () => assert.fail('no guard has run'))
    app.use(countersign(guard))
    const router = express.Router()
    router.get('/open', (request, response) => void response.send(request.principal?.name))
    router.get('/narrow', allow(serviceAccounts('production/nobody')), () => assert.fail('a denied request passed'))
    app.use('/below', router)
    app.get('/closed/door', () => assert.fail('a denied request passed'))
    instrument(app.router, wrap)
    const running = await listen(context, guard, app)
    const peer = running.as(coreApi)
    assert.equal(await (await peer.fetch('/below/open')).text(), coreApi.spiffeId)
    assert.equal((await peer.fetch('/below/narrow')).status, 403)
    assert.equal((await peer.fetch('/closed/door')).status, 403)
    assert.equal((await peer.fetch('/CLOSED/door')).status, 403)
    assert.equal((await peer.fetch('/early')).status, 503)
  })

  test(`does not start an application that ${name} instruments if a route is registered before the guard`, async (context) => {
    const guard = await create()
    const app = express()
    app.get('/early', (_request, response) => void response.send('to everyone'))
    app.use(countersign(guard))
    instrument(app.router, wrap)
    await assert.rejects(listen(context, guard, app), /\/early/)
  })
}
