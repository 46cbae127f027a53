import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { authenticated, createGuard, type Guard, hasAuthority, perRoute, type Rule } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority, Peer } from '@countersign/testkit'
import Fastify from 'fastify'
import { billing, coreApi } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const svid = await authority.issue(coreApi)
const everything: readonly Rule[] = [{ path: '/**', allow: authenticated() }]

describe('the Fastify plugin does not start', () => {
  test('when it is registered twice', async () => {
    const { app, guard } = create(everything)
    await app.register(countersign, { guard })
    await assert.rejects(
      async () => app.register(countersign, { guard }),
      refusal('registration_invalid', /existing request\.principal/),
    )
  })

  test('in a child instance', async () => {
    const { app, guard } = create(everything)
    app.register(async (child) => {
      await child.register(countersign, { guard })
    })
    await assert.rejects(async () => app.ready(), refusal('registration_invalid', /root/))
  })

  test('without await before the first route, or after it', async () => {
    for (const isRouteFirst of [false, true]) {
      const { app, guard } = create(everything)
      if (isRouteFirst) app.get('/x', () => 'x')
      app.register(countersign, { guard })
      if (!isRouteFirst) app.get('/x', () => 'x')
      await assert.rejects(async () => app.ready(), refusal('registration_invalid', /await app\.register/))
    }
  })

  test('without a guard', async () => {
    const { app } = create(everything)
    const options: object = {}
    await assert.rejects(
      async () => {
        await Promise.resolve<unknown>(Reflect.apply(app.register, app, [countersign, options]))
      },
      refusal('registration_invalid', /createGuard/),
    )
  })

  test('on a router that ignores case, with rules that differ only in case', async () => {
    const guard = createGuard({
      source,
      rules: [
        { path: '/internal/**', allow: hasAuthority('SERVICE_core-api') },
        { path: '/INTERNAL/**', allow: authenticated() },
      ],
    })
    const app = Fastify({ https: guard.tlsOptions(), routerOptions: { caseSensitive: false } })
    await assert.rejects(async () => app.register(countersign, { guard }), refusal('rule_unreachable', /rules\[1\]/))
  })
})

describe('a Fastify route that no rule covers does not start', () => {
  const rules: readonly Rule[] = [
    { path: '/internal/**', allow: authenticated() },
    { path: '/read-only', methods: ['GET'], allow: authenticated() },
    { path: '/post-only', methods: ['POST'], allow: authenticated() },
    { path: '/own/**', allow: perRoute() },
  ]

  for (const [name, named, add] of [
    ['plain', /GET \/metrics/, (app) => app.get('/metrics', answer)],
    ['of another method', /DELETE \/read-only/, (app) => app.delete('/read-only', answer)],
    ['of GET with POST', /GET \/post-only/, (app) => app.get('/post-only', answer)],
    ['made by app.all', /\/read-only/, (app) => app.all('/read-only', answer)],
    [
      'of several methods',
      /\/read-only/,
      (app) => app.route({ method: ['GET', 'PUT'], url: '/read-only', handler: answer }),
    ],
    ['with a parameter', /\/\*/, (app) => app.get('/:anything', answer)],
    ['with a wildcard', /\/\*\*/, (app) => app.get('/*', answer)],
    ['with an optional parameter', /\/read-only/, (app) => app.get('/read-only/:id?', answer)],
    ['with a wildcard inside a segment', /\/\*\*/, (app) => app.get('/internal*', answer)],
    ['left to a route without allow', /\/own\/x/, (app) => app.get('/own/x', answer)],
  ] satisfies readonly (readonly [string, RegExp, (app: App) => unknown])[]) {
    test(name, async () => {
      const { app, guard } = create(rules)
      await app.register(countersign, { guard })
      add(app)
      await assert.rejects(async () => app.ready(), refusal('route_uncovered', named))
    })
  }

  test('names all uncovered routes at once, without their HEAD routes', async () => {
    const { app, guard } = create(rules)
    await app.register(countersign, { guard })
    app.get('/internal/x', answer)
    app.get('/metrics', answer)
    app.head('/post-only', answer)
    app.register(async (child) => void child.post('/read-only', answer), { prefix: '/v1' })
    app.get('/own/x', answer)
    await assert.rejects(
      async () => app.listen({ port: 0, host: '127.0.0.1' }),
      (error) => {
        const named =
          /^4 routes are not covered: route GET \/metrics: .*route HEAD \/post-only: .*route GET \/own\/x: .*route POST \/v1\/read-only: /
        refusal('route_uncovered', named)(error)
        assert.doesNotMatch(String(error), /HEAD \/metrics|\/internal\/x/)
        return true
      },
    )
    assert.equal(app.server.listening, false)
  })

  test('names an uncovered route under a prefix by its full path', async () => {
    const { app, guard } = create(rules)
    await app.register(countersign, { guard })
    app.register(async (child) => void child.get('/x', answer), { prefix: '/internal' })
    app.register(async (child) => void child.get('/internal/x', answer), { prefix: '/v1' })
    await assert.rejects(async () => app.ready(), refusal('route_uncovered', /\/v1\/internal\/x/))
  })

  test('starts if all routes are covered, including HEAD routes', async () => {
    const { app, guard } = create(rules)
    await app.register(countersign, { guard })
    app.get('/read-only', answer)
    app.post('/post-only', answer)
    app.all('/internal/all', answer)
    app.get('/internal/:id?', answer)
    app.get('/own/x', { config: { allow: [coreApi] } }, answer)
    app.register(async (child) => void child.get('/*', answer), { prefix: '/internal/files' })
    await app.ready()
    const caller = authority.as(svid)
    for (const url of ['/read-only', '/internal/all', '/internal/7', '/internal/files/a/b', '/own/x']) {
      for (const method of ['GET', 'HEAD'] as const) {
        assert.equal((await caller.inject(app, { method, url })).statusCode, 200, `${method} ${url}`)
      }
    }
  })

  test('does not start with an allow that is undefined', async () => {
    const { app, guard } = create(everything)
    await app.register(countersign, { guard })
    assert.throws(
      () => app.get('/x', { config: { allow: ['SERVICE_core-api'] } }, answer),
      refusal('rule_invalid', /GET \/x.*hasAuthority/),
    )
    assert.throws(() => app.get('/x', { config: { allow: [] } }, answer), refusal('option_invalid', /GET \/x.*empty/))
  })
})

test('a Fastify route does not start with an allow that no caller can meet', async () => {
  const { app, guard } = create(everything)
  await app.register(countersign, { guard })
  for (const [allow, named] of [
    [hasAuthority('ADMIN'), /GET \/x: config\.allow\.hasAuthority.*'ADMIN'/],
    [['spiffe://partner.example/ns/x/sa/y'], /GET \/x: config\.allow\.callers\[0\].*partner\.example/],
  ] as const) {
    assert.throws(() => app.get('/x', { config: { allow } }, answer), refusal('rule_invalid', named))
  }
})

test('without rules every Fastify route must state who may call it', async () => {
  const guard = createGuard({ source })
  const open = Fastify({ https: guard.tlsOptions() })
  await open.register(countersign, { guard })
  open.get('/x', answer)
  await assert.rejects(async () => open.ready(), refusal('route_uncovered', /GET \/x/))
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/y', { config: { allow: hasAuthority('SERVICE_core-api') } }, answer)
  assert.equal((await authority.as(svid).inject(app, '/y')).statusCode, 200)
  assert.equal((await authority.as(billing).inject(app, '/y')).statusCode, 403)
  assert.equal((await authority.as(svid).inject(app, '/z')).statusCode, 403)
})

test('Fastify on localhost guards every address family that it serves', async () => {
  const { app, guard } = create(everything)
  await app.register(countersign, { guard })
  const handled: string[] = []
  app.get('/x', ({ principal }) => {
    handled.push(principal?.name ?? 'nobody')
    return 'x'
  })
  await app.listen({ host: 'localhost', port: 0 })
  const forged = await authority.issue(coreApi, { faults: ['two_uri_sans'] })
  const addresses = app.addresses().filter((address) => typeof address === 'object')
  for (const { address: host, port } of addresses) {
    const ask = async (peer: Peer): Promise<string> => {
      let received = ''
      const socket = await peer.connect({ host, port })
      socket.on('data', (data: Buffer) => (received += data.toString()))
      socket.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      await once(socket, 'close').catch(() => undefined)
      return received
    }
    assert.match(await ask(new Peer(port, svid, {})), /^HTTP\/1\.1 200 /)
    assert.equal(await ask(new Peer(port, forged, {})), '')
    assert.equal(await ask(new Peer(port, null, {})), '')
  }
  await app.close()
  assert.deepEqual(
    handled,
    addresses.map(() => coreApi),
  )
})

type App = ReturnType<typeof create>['app']

function create(rules: readonly Rule[]) {
  const guard: Guard = createGuard({ source, rules, log: () => undefined })
  return { guard, app: Fastify({ https: guard.tlsOptions() }) }
}

function answer(): string {
  return 'handled'
}
