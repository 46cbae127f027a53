import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { allow, countersign } from '@countersign/express'
import { authenticated, hasAuthority } from '@countersign/core'
import { serve } from '@countersign/testkit'
import express, { type Express, type RequestHandler, type Router } from 'express'
import { connectAs, createQuietGuard, createCallers, type Callers } from './guarded-targets.ts'
import { requestText } from './raw-connection.ts'

const secret: RequestHandler = (_request, response) => {
  response.set('x-handler', 'admin').send('secret')
}

function createLaxRouter(): Router {
  return express.Router().all(['/admin', '/admin/x'], secret)
}

/** Places where an application that respects case can contain a router that ignores it. */
const hidingPlaces: ReadonlyMap<string, (app: Express) => void> = new Map([
  ['mounted', (app) => void app.use(createLaxRouter())],
  ['in a route', (app) => void app.all('/{*rest}', createLaxRouter())],
  [
    'after a function with a path',
    (app) => void app.use('/admin', (request, response) => secret(request, response, () => undefined)),
  ],
  ['in an application of its own', (app) => void app.use(express().use(createLaxRouter()))],
  ['in an application in a router', (app) => void app.use(express.Router().use(express().use(createLaxRouter())))],
  ['in a regular expression', (app) => void app.all(/^\/admin(\/x)?\/?$/i, secret)],
])

describe('a router that reads paths differently from its application', () => {
  let callers: Callers
  before(async () => {
    callers = await createCallers()
  })

  for (const [place, mount] of hidingPlaces) {
    test(`cannot be reached past the guard when it is ${place}`, async () => {
      const guard = createQuietGuard(callers.source)
      const app = express().enable('case sensitive routing').enable('strict routing').use(countersign(guard))
      mount(app)
      await using running = await serve(guard, app)
      const attacker = connectAs(running, callers.attacker)
      for (const target of ['/admin', '/ADMIN', '/admin/', '/Admin/x', '/ADMIN/']) {
        assert.notEqual((await attacker.send(requestText(`GET ${target} HTTP/1.1`))).status, 200, target)
      }
      assert.equal((await connectAs(running, callers.entitled).send(requestText('GET /admin HTTP/1.1'))).status, 200)
    })
  }

  test('may contain itself', async () => {
    const guard = createQuietGuard(callers.source)
    const tree = express.Router().get('/leaf', secret)
    tree.use('/:child', tree)
    await using running = await serve(guard, express().use(countersign(guard)).use(tree))
    const attacker = connectAs(running, callers.attacker)
    assert.equal((await attacker.send(requestText('GET /A/b/leaf HTTP/1.1'))).status, 200)
    assert.equal((await attacker.send(requestText('GET /Admin/b/leaf HTTP/1.1'))).status, 403)
  })
})

test('an application that respects case serves no capitals under a rule in lower case', async () => {
  const { source, entitled, attacker } = await createCallers()
  const guard = createQuietGuard(source, [
    { path: '/public/**', allow: authenticated() },
    { path: '/**', allow: hasAuthority('SERVICE_admin-ui') },
  ])
  const app = express().enable('case sensitive routing').use(countersign(guard)).get('/:folder/:file', secret)
  await using running = await serve(guard, app)
  for (const [target, status] of [
    ['/public/x', 200],
    ['/PUBLIC/x', 403],
    ['/%50ublic/x', 403],
  ] as const) {
    const request = requestText(`GET ${target} HTTP/1.1`)
    assert.equal((await connectAs(running, attacker).send(request)).status, status, target)
    assert.equal((await connectAs(running, entitled).send(request)).status, 200, target)
  }
})

test('a route written with escapes can be reached by the callers that its rule allows, also in lower-case hexadecimal', async () => {
  const { source, attacker } = await createCallers()
  const guard = createQuietGuard(source, [
    { path: '/café', allow: authenticated() },
    { path: '/**', allow: hasAuthority('SERVICE_admin-ui') },
  ])
  await using running = await serve(guard, express().use(countersign(guard)).get('/caf%C3%A9', secret))
  const caller = connectAs(running, attacker)
  for (const target of ['/caf%C3%A9', '/caf%c3%a9']) {
    assert.equal((await caller.send(requestText(`GET ${target} HTTP/1.1`))).status, 200, target)
  }
})

describe('allow() after a middleware that rewrites', () => {
  const rewrites: ReadonlyMap<string, RequestHandler> = new Map([
    [
      'the target',
      (request, _response, next) => {
        request.url = '/hidden'
        next()
      },
    ],
    [
      'the method',
      (request, _response, next) => {
        request.method = 'DELETE'
        next()
      },
    ],
  ])
  for (const [what, rewrite] of rewrites) {
    test(`denies if ${what} differs from what was decided`, async () => {
      const callers = await createCallers()
      const guard = createQuietGuard(callers.source)
      const app = express().use(countersign(guard)).use(rewrite)
      app.all(['/go', '/hidden'], allow(hasAuthority('SERVICE_mailer')), secret)
      await using running = await serve(guard, app)
      assert.equal((await connectAs(running, callers.attacker).send(requestText('GET /go HTTP/1.1'))).status, 403)
    })
  }
})
