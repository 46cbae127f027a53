import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { before, describe, test } from 'node:test'
import expressEngine from '@fastify/express'
import middie from '@fastify/middie'
import {
  authenticated,
  channels,
  createGuard,
  type Guard,
  type GuardOptions,
  hasAuthority,
  perRoute,
} from '@countersign/core'
import { allow, countersign } from '@countersign/fastify'
import {
  type Authority,
  createAuthority,
  type Running,
  serve,
  type TestSource,
  type TestSvid,
} from '@countersign/testkit'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { refusal } from './refusal.ts'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const admin = hasAuthority('SERVICE_admin-ui')
const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/admin/**', allow: admin },
  { path: '/exact', allow: admin },
  { path: '/größe/**', allow: admin },
  { path: '/**', allow: authenticated() },
]

/** Targets under `/admin`, `/exact` and `/größe` as an engine reads them, however Fastify's own router reads them. */
const targets = [
  '/admin',
  '/admin/x',
  '/admin?x',
  '/ADMIN',
  '/ADMIN/x',
  '/Admin/',
  '/aDmin?x=1',
  '/%61dmin/x',
  '/%41DMIN',
  '/admin/%2541',
  '/exact',
  '/exact/',
  '/EXACT',
  '/EXACT/',
  '/gr%C3%B6%C3%9Fe',
  '/GR%C3%96%C3%9FE/x',
]

const engines = ['@fastify/middie', '@fastify/express'] as const
type EngineName = (typeof engines)[number]

let authority: Authority
let source: TestSource
let attacker: TestSvid
let entitled: TestSvid
before(async () => {
  authority = await createAuthority('saas.example')
  source = await authority.source(idOf('billing'))
  attacker = await authority.issue(idOf('mailer'))
  entitled = await authority.issue(idOf('admin-ui'))
})

for (const engine of engines) {
  for (const order of ['before', 'after'] as const) {
    describe(`${engine}, registered ${order} the plugin`, () => {
      test('passes no request that the rules deny to its middleware, whatever the spelling', async () => {
        const reached: string[] = []
        await using running = await start(engine, order, {}, (app) => mount(app, reached))
        const peer = running.as(attacker)
        for (const target of targets) {
          const { status } = await peer.fetch(target)
          assert.equal(status, 403, target)
        }
        assert.deepEqual(reached, [])
      })

      test('passes every request of an allowed caller to its middleware, and leaves other requests to the routes', async () => {
        const reached: string[] = []
        await using running = await start(engine, order, {}, (app) => {
          mount(app, reached)
          app.get('/items/:id', ({ params, principal }) => ({ params, caller: principal?.name }))
        })
        const peer = running.as(entitled)
        for (const target of targets) assert.equal((await peer.fetch(target)).status, 200, target)
        assert.equal(reached.length, targets.length)
        for (const [sent, id] of [
          ['a%20b', 'a b'],
          ['caf%C3%A9', 'café'],
          ['50%25', '50%'],
          ['%40me', '@me'],
          ['a%2Cb%20c', 'a,b c'],
          ['MIXED', 'MIXED'],
        ] as const) {
          const response = await running.as(attacker).fetch(`/items/${sent}`)
          assert.equal(response.status, 200, sent)
          assert.deepEqual(await response.json(), { params: { id }, caller: idOf('mailer') }, sent)
        }
      })

      test('lets a route restrict what the rules allow', async () => {
        await using running = await start(engine, order, {}, (app) => {
          app.use('/items', (_request, _response, next) => next())
          app.get('/items/:id', { config: { allow: [idOf('admin-ui')] } }, () => 'item')
          app.get('/other/:id', { onRequest: allow([idOf('admin-ui')]) }, () => 'item')
          app.register(async (child) => {
            child.addHook('onRequest', allow([idOf('admin-ui')]))
            child.get('/child/:id', () => 'item')
          })
        })
        for (const path of ['/items/a', '/items/a%20b', '/other/a', '/other/a%20b', '/child/a', '/child/a%20b']) {
          assert.equal((await running.as(attacker).fetch(path)).status, 403, path)
          assert.equal((await running.as(entitled).fetch(path)).status, 200, path)
        }
      })
    })
  }

  describe(`${engine}, registered before the plugin`, () => {
    test('does not start if a rule leaves requests to their route', async () => {
      const leaving = [
        { path: '/admin/**', allow: admin },
        { path: '/**', allow: perRoute() },
      ]
      await assert.rejects(create(engine, 'before', { rules: leaving }), refusal('registration_invalid', /perRoute/))
      await assert.rejects(
        create(engine, 'before', { rules: undefined }),
        refusal('registration_invalid', /without rules/),
      )
    })

    test('publishes the decision about a request that the middleware answers', async (context) => {
      const decisions: unknown[] = []
      const keep = (decision: unknown): void => void decisions.push(decision)
      subscribe(channels.decision, keep)
      context.after(() => unsubscribe(channels.decision, keep))
      await using running = await start(engine, 'before', {}, (app) => mount(app, []))
      assert.equal((await running.as(entitled).fetch('/admin/x')).status, 200)
      assert.equal(decisions.length, 1)
    })

    test('does not start with rewriteUrl, because the middleware would see targets before the decision', async () => {
      const rewriteUrl = ({ url = '' }: { url?: string | undefined }): string => url
      await assert.rejects(create(engine, 'before', {}, { rewriteUrl }), refusal('registration_invalid', /rewriteUrl/))
    })
  })

  describe(`${engine}, registered after the plugin`, () => {
    test('does not change routes that decide for themselves', async () => {
      const reached: string[] = []
      await using running = await start(engine, 'after', { rules: undefined }, (app) => {
        mount(app, reached)
        app.get('/open', { config: { allow: authenticated() } }, () => 'open')
        app.get('/closed', { config: { allow: [idOf('admin-ui')] } }, () => 'closed')
      })
      const peer = running.as(attacker)
      assert.equal((await peer.fetch('/open')).status, 200)
      assert.equal((await peer.fetch('/closed')).status, 403)
      for (const target of targets) assert.equal((await peer.fetch(target)).status, 403, target)
      assert.deepEqual(reached, [])
    })

    test('sees no target of rewriteUrl that the rules deny', async () => {
      const reached: string[] = []
      const rewriteUrl = ({ url = '' }: { url?: string | undefined }): string => url.replace('/go', '/ADMIN')
      const { app, guard } = await create(engine, 'after', {}, { rewriteUrl })
      mount(app, reached)
      await using running = await serve(guard, app)
      assert.equal((await running.as(attacker).fetch('/go/x')).status, 403)
      assert.deepEqual(reached, [])
      assert.equal((await running.as(entitled).fetch('/go/x')).status, 200)
    })
  })
}

test('finds an engine of a child instance', async () => {
  const guard = createQuietGuard({})
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  const reached: string[] = []
  await app.register(async (child) => {
    await child.register(middie)
    mount(child, reached)
    child.get('/*', () => 'child')
  })
  await using running = await serve(guard, app)
  for (const target of targets) assert.equal((await running.as(attacker).fetch(target)).status, 403, target)
  assert.deepEqual(reached, [])
})

test('without an engine, treats a path in capitals as another path, as Fastify does', async () => {
  const guard = createQuietGuard({})
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/:any', () => 'any')
  await using running = await serve(guard, app)
  assert.equal((await running.as(attacker).fetch('/ADMIN')).status, 200)
  assert.equal((await running.as(attacker).fetch('/admin')).status, 403)
})

test('decides requests for Express routers behind an engine before the routers see them', async () => {
  const guard = createQuietGuard({})
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(expressEngine)
  await app.register(countersign, { guard })
  const inner = express
    .Router()
    .all(['/admin', '/admin/x', '/exact'], (_request, response) => void response.end('secret'))
  const run = (request: IncomingMessage, response: ServerResponse, next: () => void): void =>
    void Reflect.apply(inner, undefined, [request, response, next])
  app.use(run)
  app.use('/deep', run)
  await using running = await serve(guard, app)
  for (const target of targets.filter((each) => !each.includes('gr') && !each.includes('GR'))) {
    assert.equal((await running.as(attacker).fetch(target)).status, 403, target)
  }
  assert.equal(await (await running.as(entitled).fetch('/ADMIN/X')).text(), 'secret')
})

function mount(app: FastifyInstance, reached: string[]): void {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    reached.push(request.url ?? '')
    response.end('secret')
  }
  for (const path of ['/admin', '/exact', '/größe']) app.use(path, answer)
}

async function start(
  engine: EngineName,
  order: 'before' | 'after',
  options: Partial<GuardOptions> | { readonly rules: undefined },
  fill: (app: FastifyInstance) => unknown,
): Promise<Running> {
  const { app, guard } = await create(engine, order, options)
  fill(app)
  return serve(guard, app)
}

async function create(
  engine: EngineName,
  order: 'before' | 'after',
  options: Partial<GuardOptions> | { readonly rules: undefined },
  serverOptions: object = {},
): Promise<{ readonly app: FastifyInstance; readonly guard: Guard }> {
  const guard = createQuietGuard(options)
  const app: FastifyInstance = Fastify({ https: guard.tlsOptions(), ...serverOptions })
  if (order === 'before') await register(app, engine)
  await app.register(countersign, { guard })
  if (order === 'after') await register(app, engine)
  return { app, guard }
}

async function register(app: FastifyInstance, engine: EngineName): Promise<void> {
  await (engine === '@fastify/middie' ? app.register(middie) : app.register(expressEngine))
}

function createQuietGuard(options: Partial<GuardOptions> | { readonly rules: undefined }): Guard {
  const { rules: own = rules } = options
  const isWithout = 'rules' in options && options.rules === undefined
  return createGuard({ source, log: () => undefined, ...(isWithout ? {} : { rules: own }) })
}
