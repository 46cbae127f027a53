import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import expressEngine from '@fastify/express'
import middie from '@fastify/middie'
import {
  authenticated,
  createGuard,
  type Guard,
  type GuardOptions,
  hasAuthority,
  serviceAccounts,
} from '@countersign/core'
import { allow as allowExpress, countersign as countersignExpress } from '@countersign/express'
import countersign, { allow } from '@countersign/fastify'
import { createAuthority, type Running, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { assertSameDecision, followDecisions, type Published } from './audit-pair.ts'
import { everywhere, idOf } from './credential-service.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const orders = await authority.issue(idOf('orders'))
const until = new Date(Date.now() + 3_600_000).toISOString()
const mode = { audit: { until } }
const onlyAdmin = serviceAccounts('production/admin-ui')
const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

/** Starts an application with a guard. */
type Start = (guard: Guard) => Promise<Running>

const applications: readonly (readonly [what: string, start: Start, targets: readonly string[]])[] = [
  [
    'Express, allow() in a mounted router',
    startMounted,
    ['/api/x', '/api/narrowed?q=1', '/admin/narrowed', '/api/deep/narrowed', '/api'],
  ],
  [
    'Express, a target rewritten before countersign()',
    (guard) => startRewriting(guard, 'before'),
    ['/go', '/stay', '/narrowed'],
  ],
  ['Express, a target rewritten behind it', (guard) => startRewriting(guard, 'behind'), ['/go', '/stay', '/narrowed']],
  ['Fastify, rewriteUrl', startFastifyRewriting, ['/go', '/stay', '/narrowed']],
  ['Fastify, hooks of several instances', startChildren, ['/a', '/a/b', '/admin/c']],
  [
    'Fastify, @fastify/middie',
    (guard) => startEngine(guard, 'middie'),
    ['/ADMIN/x', '/admin/x', '/open', '/a%20b/c', '/admin/a%20b/c', '/child'],
  ],
  [
    'Fastify, @fastify/express',
    (guard) => startEngine(guard, 'express'),
    ['/ADMIN/x', '/admin/x', '/open', '/a%20b/c', '/admin/a%20b/c', '/%61dmin/x', '/child', '/ch%69ld'],
  ],
]

describe('promise 13: however a framework routes a request, audit mode has one decision about it, the one of enforcement', () => {
  for (const [what, start, targets] of applications) {
    test(what, async (context) => {
      const published = followDecisions(context)
      const auditing = await open(context, start, { rules, mode })
      const enforcing = await open(context, start, { rules })
      const permitting = await open(context, start, { rules: everywhere(authenticated()) })
      let denied = 0
      let split = 0
      for (const target of targets) {
        const would = await ask(published, auditing, target)
        const does = await ask(published, enforcing, target)
        const without = await ask(published, permitting, target)
        if (without.isSplit) {
          // Denied whatever the rules are.
          assert.equal(would.status, 403, target)
          assert.deepEqual(would.decisions, does.decisions, target)
          split += 1
          continue
        }
        assert.equal(would.status, 200, target)
        assertSameDecision(would.decisions, does.decisions, target)
        if (does.status !== 200) denied += 1
      }
      assert.ok(denied > 0)
      assert.equal(split > 0, what.endsWith('@fastify/express'))
      assert.equal(auditing.guard.auditReport().requests, denied)
      assert.equal(published.audits.length, denied)
    })
  }

  test('a call without a server is decided once as well', async (context) => {
    const published = followDecisions(context)
    for (const [target, reason] of [
      ['/admin/x', 'authority_missing'],
      ['/narrowed', 'service_account_not_listed'],
      ['/open', undefined],
    ] as const) {
      const guard = createGuard({ source, rules, mode, log: () => undefined })
      const app = Fastify({ https: guard.tlsOptions() })
      await app.register(countersign, { guard })
      app.get('/narrowed', { config: { allow: onlyAdmin } }, () => 'narrowed')
      app.get('/*', () => 'any')
      context.after(() => app.close())
      const decisions = await published.during(async () => {
        assert.equal((await authority.as(orders).inject(app, target)).statusCode, 200)
      })
      assert.deepEqual(
        decisions.map(({ effect, denial }) => [effect, denial?.reason]),
        [['allow', reason]],
      )
    }
  })

  test('a call without a server whose target is ambiguous before it is rewritten is denied', async (context) => {
    const guard = createGuard({ source, rules, mode, log: () => undefined })
    const app = Fastify({ https: guard.tlsOptions(), rewriteUrl: () => '/open' })
    await app.register(countersign, { guard })
    app.get('/*', () => 'any')
    context.after(() => app.close())
    for (const target of ['/a%2Fb', '/a;b', '/a//b']) {
      assert.equal((await authority.as(orders).inject(app, target)).statusCode, 400, target)
    }
    assert.equal((await authority.as(orders).inject(app, '/a')).statusCode, 200)
  })
})

interface Opened {
  readonly guard: Guard
  readonly running: Running
}

async function open(context: TestContext, start: Start, options: Partial<GuardOptions>): Promise<Opened> {
  const guard = createGuard({ source, log: () => undefined, ...options })
  const running = await start(guard)
  context.after(() => running.close())
  return { guard, running }
}

async function ask(published: Published, { running }: Opened, target: string) {
  let status = 0
  const decisions = await published.during(async () => {
    const response = await running.as(orders).fetch(target)
    await response.text()
    status = response.status
  })
  const isSplit = decisions.some(({ denial }) => String(denial?.detail).includes('split it in the wrong place'))
  return { status, decisions, isSplit }
}

function startMounted(guard: Guard): Promise<Running> {
  const deep = express
    .Router()
    .get('/narrowed', allowExpress(onlyAdmin), (_request, response) => void response.end('deep'))
  const router = express.Router()
  router.use('/deep', deep)
  router.get('/narrowed', allowExpress(onlyAdmin), (_request, response) => void response.end('narrowed'))
  router.get(['/', '/x'], (_request, response) => void response.end('x'))
  const app = express().use(countersignExpress(guard)).use('/api', router).use('/admin', router)
  return serve(guard, app)
}

function startRewriting(guard: Guard, place: 'before' | 'behind'): Promise<Running> {
  const app = express()
  const rewrite: express.RequestHandler = (request, _response, next) => {
    if (request.url === '/go') request.url = '/admin/x'
    next()
  }
  if (place === 'before') app.use(rewrite)
  app.use(countersignExpress(guard))
  if (place === 'behind') app.use(rewrite)
  app.get('/narrowed', allowExpress(onlyAdmin), (_request, response) => void response.end('narrowed'))
  app.get('/admin/x', allowExpress(authenticated()), (_request, response) => void response.end('admin'))
  app.get('/stay', (_request, response) => void response.end('stay'))
  return serve(guard, app)
}

async function startFastifyRewriting(guard: Guard): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions(), rewriteUrl: ({ url = '' }) => url.replace('/go', '/admin/x') })
  await app.register(countersign, { guard })
  app.get('/narrowed', { config: { allow: onlyAdmin } }, () => 'narrowed')
  app.get('/*', () => 'any')
  return serve(guard, app)
}

async function startChildren(guard: Guard): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  await app.register((child, _options, done) => {
    child.addHook('preHandler', allow(onlyAdmin))
    child.get('/a', () => 'a')
    child.get('/admin/c', { onRequest: allow(onlyAdmin) }, () => 'c')
    child.register((grandchild, _childOptions, ready) => {
      grandchild.addHook('onRequest', allow(hasAuthority('SERVICE_reports')))
      grandchild.get('/a/b', { config: { allow: serviceAccounts('production/nobody') } }, () => 'b')
      ready()
    })
    done()
  })
  return serve(guard, app)
}

async function startEngine(guard: Guard, engine: 'middie' | 'express'): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  if (engine === 'middie') await app.register(middie)
  else await app.register(expressEngine)
  app.use('/nowhere', (_request: unknown, _response: unknown, next: () => void) => next())
  await app.register((child, _options, done) => {
    child.addHook('onRequest', allow(onlyAdmin))
    child.get('/child', () => 'child')
    done()
  })
  app.get('/*', () => 'any')
  return serve(guard, app)
}
