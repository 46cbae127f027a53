import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  custom,
  hasAuthority,
  inNamespace,
  perRoute,
  type Rule,
  serviceAccounts,
} from '@countersign/core'
import countersign, { allow } from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import Fastify, { type FastifyInstance } from 'fastify'
import { analyticsService, billing, coreApi } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const everything: readonly Rule[] = [{ path: '/**', allow: authenticated() }]
const onlyCoreApi = allow(serviceAccounts('production/core-api'))

describe('a Fastify route with allow(), without the plugin,', () => {
  for (const [name, options] of Object.entries({
    onRequest: { onRequest: onlyCoreApi },
    preValidation: { preValidation: [onlyCoreApi] },
    preHandler: { preHandler: onlyCoreApi },
    'a spread': { ...onlyCoreApi },
  })) {
    test(`answers 503 as ${name} and runs no handler`, async () => {
      const app = Fastify()
      app.get('/x', options, unreachable)
      const response = await app.inject('/x')
      assert.equal(response.statusCode, 503)
      assert.equal(response.headers['content-type'], 'application/problem+json')
      assert.equal(response.headers['cache-control'], 'no-store')
      assert.deepEqual(response.json(), {
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        code: 'authorization_unavailable',
      })
    })
  }

  test('answers 503 when another plugin sets the principal', async () => {
    const app = Fastify()
    app.decorateRequest('principal', null)
    app.addHook('onRequest', (request, _reply, done) => {
      Reflect.set(request, 'principal', { name: coreApi, hasAuthority: () => true })
      done()
    })
    app.get('/x', { onRequest: onlyCoreApi }, unreachable)
    assert.equal((await app.inject('/x')).statusCode, 503)
  })

  test('answers 503 below an instance hook, and over TLS without a guard', async () => {
    const { keyPem: key, certificatePem: cert } = await authority.issue(billing)
    const app = Fastify({ https: { key, cert, ca: authority.bundlePem, requestCert: true } })
    app.register(async (child) => {
      child.addHook('onRequest', onlyCoreApi)
      child.get('/x', unreachable)
    })
    await using running = await serve({ tlsOptions: () => ({}), attach: () => undefined }, app)
    assert.equal((await running.as(await authority.issue(coreApi)).fetch('/x')).status, 503)
  })
})

describe('a Fastify route with allow(), with the plugin,', () => {
  for (const [name, options] of Object.entries({
    onRequest: { onRequest: onlyCoreApi },
    preValidation: { preValidation: [onlyCoreApi] },
    preHandler: { preHandler: onlyCoreApi },
    'a spread': { ...onlyCoreApi },
  })) {
    test(`restricts what the rules allow, as ${name}`, async () => {
      const { app, events } = await create(everything)
      app.get('/x', options, ({ principal }) => principal?.name)
      assert.equal((await authority.as(coreApi).inject(app, '/x')).body, coreApi)
      assert.equal((await authority.as(analyticsService).inject(app, '/x')).statusCode, 403)
      assert.deepEqual(reasons(events), ['service_account_not_listed'])
    })
  }

  test('decides over a real connection as it does without a network', async () => {
    const { app, guard } = await create(everything)
    app.get('/x', { onRequest: onlyCoreApi }, () => 'handled')
    await using running = await serve(guard, app)
    assert.equal((await running.as(await authority.issue(coreApi)).fetch('/x')).status, 200)
    assert.equal((await running.as(await authority.issue(analyticsService)).fetch('/x')).status, 403)
  })

  test('never widens access: a request that no rule allows stays denied', async () => {
    const { app } = await create([{ path: '/**', allow: hasAuthority('SERVICE_core-api') }])
    app.get('/x', { onRequest: allow(authenticated()) }, () => 'handled')
    assert.equal((await authority.as(analyticsService).inject(app, '/x')).statusCode, 403)
    assert.equal((await authority.as(coreApi).inject(app, '/x')).statusCode, 200)
  })

  test('decides when a rule defers to the route', async () => {
    const { app } = await create([{ path: '/**', allow: perRoute() }])
    app.get('/x', { onRequest: onlyCoreApi }, () => 'handled')
    assert.equal((await authority.as(coreApi).inject(app, '/x')).statusCode, 200)
    assert.equal((await authority.as(analyticsService).inject(app, '/x')).statusCode, 403)
  })

  test('is evaluated once per request, together with config.allow', async () => {
    let asked = 0
    const count = allow(custom('counts', () => (asked += 1) > 0))
    const { app } = await create(everything)
    app.get('/x', { config: { allow: inNamespace('production') }, onRequest: [count, onlyCoreApi] }, () => 'handled')
    assert.equal((await authority.as(coreApi).inject(app, '/x')).statusCode, 200)
    assert.equal(asked, 1)
    assert.equal((await authority.as(analyticsService).inject(app, '/x')).statusCode, 403)
    assert.equal((await authority.as('spiffe://saas.example/ns/x/sa/core-api').inject(app, '/x')).statusCode, 403)
  })

  test('as a hook of a child instance restricts all of its routes and no others', async () => {
    const { app, events } = await create(everything)
    app.register(
      async (child) => {
        child.addHook('onRequest', onlyCoreApi)
        child.get('/x', () => 'handled')
        child.register(async (grandchild) => void grandchild.get('/x', () => 'handled'), { prefix: '/deep' })
      },
      { prefix: '/narrow' },
    )
    app.get('/wide', () => 'handled')
    for (const url of ['/narrow/x', '/narrow/deep/x']) {
      assert.equal((await authority.as(coreApi).inject(app, url)).statusCode, 200, url)
      assert.equal((await authority.as(analyticsService).inject(app, url)).statusCode, 403, url)
    }
    assert.equal((await authority.as(analyticsService).inject(app, '/wide')).statusCode, 200)
    assert.deepEqual(reasons(events), ['service_account_not_listed', 'service_account_not_listed'])
  })

  test('answers 503 in a hook that runs before the plugin has decided', async () => {
    const guard = createGuard({ source, rules: everything, log: () => undefined })
    const app = Fastify({ https: guard.tlsOptions() })
    app.addHook('onRequest', onlyCoreApi)
    await app.register(countersign, { guard })
    app.get('/x', unreachable)
    assert.equal((await app.inject('/x')).statusCode, 503)
  })

  test('as a hook of an instance denies a requirement that no caller can meet', async () => {
    const { app, events } = await create(everything)
    app.register(async (child) => {
      child.addHook('onRequest', allow(hasAuthority('ADMIN')))
      child.get('/x', unreachable)
    })
    assert.equal((await authority.as(coreApi).inject(app, '/x')).statusCode, 503)
    assert.deepEqual(reasons(events), ['evaluation_error'])
  })
})

describe('allow() throws at startup', () => {
  test('for a value that is not a requirement', () => {
    assert.throws(() => allow(perRoute()), refusal('rule_invalid', /perRoute/))
    assert.throws(() => allow(['SERVICE_core-api']), refusal('rule_invalid', /hasAuthority/))
    assert.throws(() => allow([]), refusal('option_invalid', /allow.*empty/))
  })

  test('for a requirement that no caller can meet, alone or together with config.allow', async () => {
    const { app } = await create(everything)
    assert.throws(
      () => app.get('/x', { onRequest: allow(hasAuthority('ADMIN')) }, unreachable),
      refusal('rule_invalid', /GET \/x: allow\.hasAuthority.*'ADMIN'/),
    )
    assert.throws(
      () => app.get('/x', { config: { allow: inNamespace('staging') }, onRequest: onlyCoreApi }, unreachable),
      refusal('rule_invalid', /GET \/x: config\.allow and allow.*exclude each other/),
    )
  })

  test('where it would run after the handler or not at all', async () => {
    const { app } = await create(everything)
    for (const place of ['preParsing', 'preSerialization', 'onSend', 'onResponse', 'onError', 'onTimeout', 'handler']) {
      for (const value of place === 'handler' ? [onlyCoreApi] : [onlyCoreApi, [onlyCoreApi]]) {
        const options = { method: 'GET' as const, url: '/x', handler: unreachable }
        Reflect.set(options, place, value)
        assert.throws(() => app.route(options), refusal('registration_invalid', new RegExp(`as ${place}`)), place)
      }
    }
  })
})

async function create(rules: readonly Rule[]) {
  const events: CountersignEvent[] = []
  const guard = createGuard({ source, rules, log: (event) => events.push(event) })
  const app: FastifyInstance = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  return { app, guard, events }
}

function reasons(events: readonly CountersignEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
}

function unreachable(): never {
  return assert.fail('the handler ran')
}
