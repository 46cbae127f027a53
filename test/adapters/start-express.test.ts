import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import {
  anyOf,
  createGuard,
  hasAuthority,
  inTrustDomain,
  permitAll,
  perRoute,
  type Rule,
  serviceAccounts,
} from '@countersign/core'
import { findRecord } from '@countersign/core/adapter'
import { allow, countersign, createServer } from '@countersign/express'
import { createAuthority, Running } from '@countersign/testkit'
import express, { type Express, type Request, type Response } from 'express'
import { analyticsService, billing, coreApi, readJson, rules } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const [svid, otherSvid] = [await authority.issue(coreApi), await authority.issue(analyticsService)]
const everybody: readonly Rule[] = [{ path: '/**', allow: permitAll() }]

describe('an Express application does not start', () => {
  test('with a guard that has no rules', () => {
    assert.throws(() => countersign(createGuard({ source })), refusal('option_invalid', /rules/))
  })

  test('with allow(perRoute()), or with a value that is not a requirement', () => {
    assert.throws(() => allow(perRoute()), refusal('rule_invalid', /perRoute/))
    assert.throws(() => allow(['SERVICE_core-api']), refusal('rule_invalid', /hasAuthority/))
    assert.throws(() => allow([]), refusal('option_invalid', /allow.*empty/))
  })

  for (const [name, path, build] of [
    ['without countersign()', '/x', (app) => app.get('/x', answer)],
    ['with a route before countersign()', '/x', (app, guard) => app.get('/x', answer).use(countersign(guard))],
    [
      'with a router before countersign()',
      '/a/b',
      (app, guard) => app.use('/a', express.Router().get('/b', answer)).use(countersign(guard)),
    ],
    [
      'with a handler before the allow() of its route',
      '/x',
      (app, guard) => app.get('/x', answer, allow([analyticsService])).use(countersign(guard)),
    ],
    [
      'with a method of a route that has no allow()',
      '/x',
      (app, guard) => {
        app
          .route('/x')
          .get(allow([analyticsService]), answer)
          .post(answer)
        return app.use(countersign(guard))
      },
    ],
    [
      'with countersign() under a path only',
      '/x',
      (app, guard) => app.use('/internal', countersign(guard)).get('/x', answer),
    ],
  ] satisfies readonly (readonly [
    string,
    string,
    (app: Express, guard: ReturnType<typeof createGuard>) => unknown,
  ])[]) {
    test(name, async () => {
      const guard = createGuard({ source, rules })
      const app = express()
      build(app, guard)
      const server = createServer(guard, app)
      const failed = once(server, 'error')
      // Typical callbacks must not hide the error.
      server.listen(0, '127.0.0.1', () => assert.ok(server.address()))
      const emitted: unknown[] = await failed
      refusal('registration_invalid', new RegExp(`route ${path} .*app\\.use\\(countersign`))(emitted[0])
      assert.equal(server.listening, false)
    })
  }
})

test('an Express application does not start with two rules that its router treats as the same', async () => {
  const capitals: readonly Rule[] = [
    { path: '/orders', allow: permitAll() },
    { path: '/Orders', allow: hasAuthority('SERVICE_core-api') },
  ]
  const guard = createGuard({ source, rules: capitals })
  const server = createServer(guard, express().use(countersign(guard)))
  const failed = once(server, 'error')
  server.listen(0, '127.0.0.1')
  const emitted: unknown[] = await failed
  refusal('rule_unreachable', /rules\[1\]/)(emitted[0])
  assert.equal(server.listening, false)
})

test('an Express application does not start with an allow() that no caller can meet', async () => {
  for (const [requirement, named] of [
    [hasAuthority('ADMIN'), /allow\.hasAuthority.*'ADMIN'/],
    [['spiffe://partner.example/ns/x/sa/y'], /allow\.callers\[0\].*partner\.example/],
    [anyOf(serviceAccounts('production/core-api'), inTrustDomain('partner.example')), /allow\.anyOf\[1\]/],
  ] as const) {
    const guard = createGuard({ source, rules: everybody })
    const inner = express.Router().get('/y', allow(requirement), answer)
    const app = express().use(countersign(guard)).use('/x', inner)
    const server = createServer(guard, app)
    const failed = once(server, 'error')
    server.listen(0, '127.0.0.1')
    const emitted: unknown[] = await failed
    refusal('rule_invalid', named)(emitted[0])
    assert.equal(server.listening, false)
  }
})

describe('allow()', () => {
  test('answers 503 where countersign() did not run', async () => {
    const handled: string[] = []
    const app = express().get('/internal/x', allow(serviceAccounts('production/core-api')), record(handled))
    await using running = await listen(() => app, rules)
    const response = await running.as(svid).fetch('/internal/x')
    assert.equal(response.status, 503)
    assert.equal((await readJson(response)).code, 'authorization_unavailable')
    assert.deepEqual(handled, [])
  })

  test('answers 503 to a request with a decision about another request', async () => {
    const handled: string[] = []
    const carried: object[] = []
    await using running = await listen((guard) => {
      const app = express()
      app.use((request, _response, next) => {
        Object.assign(request, { ...carried[0], ...request })
        next()
      })
      app.get('/outside', allow(permitAll()), record(handled))
      app.use(countersign(guard))
      return app.get('/inside', (request, response) => {
        carried.push({ ...request, _countersign: findRecord(request) })
        response.end()
      })
    }, everybody)
    const peer = running.as(svid)
    assert.equal((await peer.fetch('/inside')).status, 200)
    assert.ok(carried.some((properties) => '_countersign' in properties && properties._countersign !== undefined))
    assert.equal((await peer.fetch('/outside')).status, 503)
    assert.deepEqual(handled, [])
  })

  test('restricts what the rules allow, in mounted and nested routers', async () => {
    const handled: string[] = []
    await using running = await listen((guard) => {
      const narrow = allow(serviceAccounts('production/core-api'))
      const inner = express.Router().get('/invoices/:id', narrow, record(handled))
      const outer = express.Router().use('/billing', inner).get('/open', record(handled))
      const guarded = express
        .Router()
        .use(allow([analyticsService]))
        .all('/*rest', record(handled))
      return express().use(countersign(guard)).use('/api', outer).use('/api/analytics', guarded)
    }, everybody)
    const [peer, other] = [running.as(svid), running.as(otherSvid)]
    for (const path of ['/api/billing/invoices/7', '/API/Billing/invoices/7/', '/api/billing/invoices/7?x=1']) {
      assert.equal((await peer.fetch(path)).status, 200, path)
      assert.equal((await other.fetch(path)).status, 403, path)
    }
    assert.equal((await other.fetch('/api/open')).status, 200)
    assert.equal((await other.fetch('/api/analytics/data')).status, 200)
    assert.equal((await peer.fetch('/api/analytics/data')).status, 403)
    assert.equal(handled.length, 5)
  })

  test('never widens access: a request that no rule allows stays denied', async () => {
    const handled: string[] = []
    await using running = await listen((guard) => {
      const app = express().use(countersign(guard))
      app.get('/metrics', allow(permitAll()), record(handled))
      return app.get('/internal/billing/invoices', allow(permitAll()), record(handled))
    }, rules)
    assert.equal((await running.as(svid).fetch('/metrics')).status, 403)
    assert.equal((await running.as(otherSvid).fetch('/internal/billing/invoices')).status, 403)
    assert.deepEqual(handled, [])
  })

  test('denies a request whose method or path changes after countersign()', async () => {
    const handled: string[] = []
    await using running = await listen((guard) => {
      const app = express().use(countersign(guard))
      app.use((request, _response, next) => {
        if (request.url === '/internal/health') request.url = '/internal/billing/invoices'
        if (request.url === '/internal/override') request.method = 'DELETE'
        next()
      })
      return app.all('/internal/*rest', allow(permitAll()), record(handled))
    }, rules)
    const peer = running.as(otherSvid)
    assert.equal((await peer.fetch('/internal/health')).status, 403)
    assert.equal((await peer.fetch('/internal/override')).status, 403)
    assert.equal((await peer.fetch('/internal/else')).status, 200)
    assert.deepEqual(handled, ['/internal/else'])
  })
})

test('a rule reads the path as the Express router does', async () => {
  const closed: readonly Rule[] = [
    { path: '/internal/Billing/**', allow: hasAuthority('SERVICE_core-api') },
    { path: '/**', allow: permitAll() },
  ]
  const handled: string[] = []
  await using running = await listen((guard) => {
    const app = express().use(countersign(guard))
    return app.all('/internal/billing', record(handled)).all('/internal/billing/*rest', record(handled))
  }, closed)
  for (const path of [
    '/internal/billing',
    '/internal/billing/',
    '/INTERNAL/BILLING',
    '/internal/BILLING/x',
    '/internal/billing/x/',
  ]) {
    assert.equal((await running.as(otherSvid).fetch(path)).status, 403, path)
    assert.equal((await running.as(svid).fetch(path)).status, 200, path)
  }
  assert.equal(handled.length, 5)
})

/** Starts an application with `createServer`. */
async function listen(
  build: (guard: ReturnType<typeof createGuard>) => Express,
  rules: readonly Rule[],
): Promise<Running> {
  const guard = createGuard({ source, rules, log: () => undefined })
  const server = createServer(guard, build(guard))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new Running(server, async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
}

function record(handled: string[]): (request: Request, response: Response) => void {
  return ({ originalUrl }, response) => {
    handled.push(originalUrl)
    response.json({ caller: coreApi })
  }
}

function answer(_request: Request, response: Response): void {
  response.end('handled')
}
