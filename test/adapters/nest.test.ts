import assert from 'node:assert/strict'
import { Server as NetServer } from 'node:net'
import { before, describe, test, type TestContext } from 'node:test'
import 'reflect-metadata'
import { authenticated, createGuard, type Guard, hasAuthority } from '@countersign/core'
import { countersign as countersignExpress } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { type Authority, createAuthority, Running, type TestSource, type TestSvid } from '@countersign/testkit'
import { Controller, Get, type INestApplication, type MiddlewareConsumer, Module, Req } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import express, { type NextFunction, type Request, type Response } from 'express'
import { refusal } from './refusal.ts'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const rules = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

/** Targets that reach the middleware at `/admin` or its controller if they are not denied. */
const targets = ['/admin', '/admin/x', '/ADMIN', '/ADMIN/x', '/Admin/X?y', '/admin/', '/aDmin/']

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

/** The order in which a main.ts may register the guard. */
const orders = ['first', 'after a middleware', 'after init'] as const

describe('NestJS on Fastify', () => {
  for (const order of ['first', 'after a middleware'] as const) {
    test(`starts and is guarded with the plugin registered ${order}`, async (context) => {
      const reached: string[] = []
      const guard = createQuietGuard()
      const app = await NestFactory.create(
        createModule(reached),
        new FastifyAdapter({ https: guard.tlsOptions() }),
        quiet,
      )
      if (order === 'after a middleware') app.use('/admin', note(reached))
      await registerPlugin(app, guard)
      if (order === 'first') app.use('/admin', note(reached))
      await assertGuarded(context, app, reached)
    })
  }

  test('reaches no Express application through a path that it trims or cuts', async (context) => {
    const guard = createGuard({
      source,
      rules: [
        { path: '/legacy/secret', allow: hasAuthority('SERVICE_admin-ui') },
        { path: '/legacy/*/secret', allow: hasAuthority('SERVICE_admin-ui') },
        { path: '/**', allow: authenticated() },
      ],
      log: () => undefined,
    })
    const app = await NestFactory.create(createModule([]), new FastifyAdapter({ https: guard.tlsOptions() }), quiet)
    await registerPlugin(app, guard)
    const tenant = express.Router().get('/secret', (_request, response) => void response.end('secret'))
    app.use('/legacy', express().use(tenant).use('/:tenant', tenant))
    const running = await listen(context, app)
    for (const [target, expected] of [
      ['/legacy/secret%20', 400],
      ['/%6cegacy/secret%20', 400],
      ['/%6cegacy/secret%C2%A0', 400],
      ['/%6cegacy/secret%EF%BB%BF', 400],
      ['/%6cegacy/t%20t/xsecret', 403],
    ] as const) {
      assert.equal((await running.as(attacker).fetch(target)).status, expected, target)
    }
    assert.equal(await (await running.as(entitled).fetch('/%6cegacy/secret')).text(), 'secret')
  })

  test('does not start without rules, because its middleware engine is registered first', async (context) => {
    const guard = createGuard({ source, log: () => undefined })
    const app = await NestFactory.create(createModule([]), new FastifyAdapter({ https: guard.tlsOptions() }), quiet)
    context.after(() => app.close())
    await assert.rejects(registerPlugin(app, guard), refusal('registration_invalid', /middleware engine/))
  })
})

describe('NestJS on Express', () => {
  for (const order of orders) {
    test(`starts and is guarded with the middleware mounted ${order}`, async (context) => {
      const reached: string[] = []
      const guard = createQuietGuard()
      const app = await NestFactory.create(createModule(reached), new ExpressAdapter(), {
        ...quiet,
        httpsOptions: guard.tlsOptions(),
      })
      guard.attach(app.getHttpServer())
      if (order !== 'first') app.use('/admin', note(reached))
      if (order === 'after init') await app.init()
      app.use(countersignExpress(guard))
      if (order === 'first') app.use('/admin', note(reached))
      await assertGuarded(context, app, reached, order !== 'after init')
    })
  }
})

async function assertGuarded(
  context: TestContext,
  app: INestApplication,
  reached: string[],
  showsPrincipal = true,
): Promise<void> {
  const running = await listen(context, app)
  for (const target of targets) {
    const { status } = await running.as(attacker).fetch(target)
    assert.equal(status, 403, target)
  }
  assert.deepEqual(reached, [])
  const open = await running.as(attacker).fetch('/open')
  assert.equal(open.status, 200)
  if (showsPrincipal) assert.equal(await open.text(), idOf('mailer'))
  assert.equal((await running.as(entitled).fetch('/admin/x')).status, 200)
  // The middleware of `app.use` and that of the module.
  assert.deepEqual(reached, ['used', 'applied', 'handled'])
}

async function listen(context: TestContext, app: INestApplication): Promise<Running> {
  await app.listen(0, '127.0.0.1')
  const server: unknown = app.getHttpServer()
  assert.ok(server instanceof NetServer)
  const running = new Running(server, () => app.close())
  context.after(() => running.close())
  return running
}

/** What `@Module`, `@Controller` and `@Get` do with these classes, without the decorator syntax that Node lacks. */
function createModule(reached: string[]): new () => object {
  class Routes {
    admin(): string {
      reached.push('handled')
      return 'secret'
    }

    open(request: { readonly principal?: { readonly name: string } | null }): string {
      return request.principal?.name ?? 'unknown'
    }
  }
  for (const [name, path] of [
    ['admin', '/admin/x'],
    ['open', '/open'],
  ] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(Routes.prototype, name)
    if (descriptor !== undefined) Get(path)(Routes.prototype, name, descriptor)
  }
  Req()(Routes.prototype, 'open', 0)
  Controller()(Routes)

  class Application {
    configure(consumer: MiddlewareConsumer): void {
      consumer
        .apply((_request: Request, _response: Response, next: NextFunction) => {
          reached.push('applied')
          next()
        })
        .forRoutes('/admin/*path')
    }
  }
  Module({ controllers: [Routes] })(Application)
  return Application
}

function note(reached: string[]): (request: Request, response: Response, next: NextFunction) => void {
  return (_request, _response, next) => {
    reached.push('used')
    next()
  }
}

function createQuietGuard(): Guard {
  return createGuard({ source, rules, log: () => undefined })
}

// Nest has its own copy of Fastify, with different types.
async function registerPlugin(app: INestApplication, guard: Guard): Promise<void> {
  const register: unknown = Reflect.get(app, 'register')
  assert.ok(typeof register === 'function')
  await Reflect.apply(register, app, [countersign, { guard }])
}

const quiet = { logger: false, abortOnError: false } as const
