import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { before, describe, test } from 'node:test'
import expressEngine from '@fastify/express'
import middie from '@fastify/middie'
import { authenticated, createGuard, hasAuthority } from '@countersign/core'
import { countersign } from '@countersign/fastify'
import { createAuthority, type Running, serve, type TestSource, type TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const admin = hasAuthority('SERVICE_admin-ui')
const rules = [
  { path: '/legacy/secret', allow: admin },
  { path: '/legacy/*/secret', allow: admin },
  { path: '/größe/*/secret', allow: admin },
  { path: '/**', allow: authenticated() },
]

const engines = ['@fastify/middie', '@fastify/express'] as const

let source: TestSource
let attacker: TestSvid
before(async () => {
  const authority = await createAuthority('saas.example')
  source = await authority.source(idOf('billing'))
  attacker = await authority.issue(idOf('mailer'))
})

describe('an Express application behind a middleware engine', () => {
  for (const engine of engines) {
    for (const order of ['before', 'after'] as const) {
      test(`is not reached by a path that the engine trims or cuts, with ${engine} registered ${order} the plugin`, async () => {
        await using running = await start(engine, order)
        const peer = running.as(attacker)
        for (const [target, expected] of [
          ['/legacy/secret%20', 400],
          ['/%6cegacy/secret%20', 400],
          ['/%6cegacy/secret%C2%A0', 400],
          ['/%6cegacy/secret%EF%BB%BF', 400],
          ['/%6cegacy/secret%2520', 400],
          ['/%6cegacy/t%20t/xsecret', 403],
          ['/gr%C3%B6%C3%9Fe/t%20t/xsecret', 403],
          ['/%6cegacy/t%20t?/secret', 403],
          ["/%6cegacy/t'%20t?/xxsecret", 403],
        ] as const) {
          assert.equal((await peer.fetch(target)).status, expected, target)
        }
      })
    }
  }

  test('is not reached by a query string that makes the engine cut the path, if the engine also decodes the query', async () => {
    await using running = await start('@fastify/express', 'after')
    for (const target of ["/legacy/t'/xsecret?q=%20x", '/legacy/t%20t/xsecret', "/legacy/t'?/secret?%20x"]) {
      assert.equal((await running.as(attacker).fetch(target)).status, 403, target)
    }
  })

  test('passes spaces and quotes to the routes where no application would cut the path', async () => {
    const harmless = [
      '/files/my%20report',
      "/files/o'neil/x?q=1",
      "/files/o'neil",
      '/files/x?q=a%20b',
      '/files/a%C2%A0b/c?d',
    ]
    const behindMiddie = [
      '/files/my%20report?q=1',
      '/files/my%20report/x',
      "/files/o'neil/x?q=a%20b",
      '/my%20files/x?q=1',
    ]
    for (const engine of engines) {
      await using running = await start(engine, 'before')
      for (const target of engine === '@fastify/middie' ? [...harmless, ...behindMiddie] : harmless) {
        assert.equal((await running.as(attacker).fetch(target)).status, 200, target)
      }
    }
  })
})

async function start(engine: (typeof engines)[number], order: 'before' | 'after'): Promise<Running> {
  const guard = createGuard({ source, rules, log: () => undefined })
  const app: FastifyInstance = Fastify({ https: guard.tlsOptions() })
  const register = (): PromiseLike<unknown> =>
    engine === '@fastify/middie' ? app.register(middie) : app.register(expressEngine)
  if (order === 'before') await register()
  await app.register(countersign, { guard })
  if (order === 'after') await register()
  mountExpress(app)
  app.get('/*', () => 'file')
  return serve(guard, app)
}

function mountExpress(app: FastifyInstance): void {
  const secret = (_request: IncomingMessage, response: ServerResponse): void => void response.end('secret')
  const tenant = express.Router().get('/secret', secret)
  const inner = express().get('/secret', secret).use('/:tenant', tenant)
  const run = (request: IncomingMessage, response: ServerResponse, next: () => void): void =>
    void Reflect.apply(inner, undefined, [request, response, next])
  for (const path of ['/legacy', '/größe']) app.use(path, run)
}
