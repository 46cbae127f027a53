import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { describe, test } from 'node:test'
import { authenticated, custom, perRoute, SpiffeId } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { allow, countersign as countersignExpress, createServer as createExpressServer } from '@countersign/express'
import { countersign } from '@countersign/fastify'
import { serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { exactSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { createHypotheticalPrincipal } from '../../packages/core/src/principal/create-principal.ts'
import { Admission } from '../../packages/core/src/admission.ts'
import { LayersInForce } from '../../packages/core/src/layers-in-force.ts'
import { attacker, authority, create, createCounting, entitled, idOf, listen, peerOf } from './guarded-by-rules.ts'
import { admitNow } from '../support/admit-now.ts'

describe('the decision of the server', () => {
  test('is found only by the guard that decided, and only on that request', () => {
    const [request, another, owner, otherGuard] = [{}, {}, {}, {}]
    const principal = createHypotheticalPrincipal(SpiffeId.parse(idOf('mailer')), {
      localTrustDomain: undefined,
      namespaces: new Set(),
    })
    const target = { accepted: true, path: '/x', isFoldable: false } as const
    const ruling = { effect: 'allow', rule: 0, isLeftToRoute: false } as const
    const message = { headers: {} }
    const rules = compileRules([{ path: '/**', allow: authenticated() }], { localTrustDomain: 'saas.example' })
    const revision = new LayersInForce({ rules, policies: undefined, revision: undefined })
    const decided = {
      principal,
      method: 'GET',
      target,
      message,
      semantics: exactSemantics,
      generation: 1,
      revision,
      expiresAt: 1,
    }
    Admission.keep(request, { owner, decided, ruling, url: '/x', isRoutingKnown: true, hasResponse: true })
    assert.equal(Admission.find(request, owner)?.facts.url, '/x')
    assert.equal(Admission.find(request, otherGuard), undefined)
    Object.assign(another, request)
    assert.equal(Admission.find(another, owner), undefined)
  })

  test('is reused by guard.admit when it reads the path in the same way', async (context) => {
    const { guard, asked } = createCounting()
    const verdicts: unknown[] = []
    const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
      const verdict = admitNow(guard, request)
      verdicts.push(isDenial(verdict) ? verdict.reason : verdict.name)
      verdicts.push(forAdapter(guard).readmit(request, request))
      response.end()
    })
    guard.attach(server)
    const peer = peerOf(context, await listen(context, server), attacker)
    assert.equal((await peer.fetch('/x')).status, 200)
    // No adapter described how paths are read, so an adapter's hook has to decide.
    assert.deepEqual(verdicts, [idOf('mailer'), undefined])
    assert.equal(asked(), 1)
  })

  test('is made again when the path is read in another way', async (context) => {
    const { guard } = create({})
    const verdicts: string[] = []
    const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
      const verdict = admitNow(guard, request, { semantics: { foldCase: 'ascii', foldTrailingSlash: true } })
      verdicts.push(isDenial(verdict) ? verdict.reason : verdict.name)
      response.end()
    })
    guard.attach(server)
    const peer = peerOf(context, await listen(context, server), attacker)
    assert.equal((await peer.fetch('/ADMIN')).status, 200)
    assert.deepEqual(verdicts, ['authority_missing'])
  })

  test('is made again when the method or the target has changed', async (context) => {
    const { guard, asked } = createCounting()
    const verdicts: (string | undefined)[] = []
    const judge = (request: IncomingMessage): void => {
      const verdict = forAdapter(guard).readmit(request, request)
      assert.ok(!(verdict instanceof Promise))
      verdicts.push(verdict === undefined || verdict === null || isDenial(verdict) ? verdict?.reason : verdict?.name)
    }
    const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
      judge(request)
      request.url = '/other'
      judge(request)
      request.url = '/x'
      request.method = 'DELETE'
      judge(request)
      response.end()
    })
    forAdapter(guard).attach(server, { routing: () => ({}) })
    assert.equal((await peerOf(context, await listen(context, server), attacker).fetch('/x')).status, 200)
    assert.deepEqual(verdicts, [idOf('mailer'), undefined, undefined])
    assert.equal(asked(), 1)
  })

  test('applies only to this request and this guard', async (context) => {
    const { guard } = create({})
    const { guard: other } = create({})
    const verdicts: unknown[] = []
    const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
      const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(request))
      verdicts.push(forAdapter(guard).readmit(copy, request), forAdapter(other).readmit(request, request))
      const [own, others] = [forAdapter(guard).readmit(request, request), admitNow(other, request)]
      assert.ok(!(own instanceof Promise))
      verdicts.push(own !== undefined && own !== null && isDenial(own), isDenial(others) && others.reason)
      response.end()
    })
    forAdapter(guard).attach(server, { routing: () => ({}) })
    assert.equal((await peerOf(context, await listen(context, server), attacker).fetch('/x')).status, 200)
    assert.deepEqual(verdicts, [undefined, undefined, false, 'guard_missing'])
  })

  for (const framework of ['Fastify', 'Express'] as const) {
    test(`is made once with ${framework}, in addition to the route's own requirement`, async () => {
      const { guard, asked } = createCounting()
      let routeAsked = 0
      const demand = custom('route', () => {
        routeAsked += 1
        return true
      })
      const handled: (string | undefined)[] = []
      await using running = await (framework === 'Fastify' ? serveFastify() : serveExpress())
      for (const target of ['/plain', '/narrowed', '/CAPITALS/%40x/']) {
        assert.equal((await running.as(attacker).fetch(target)).status, 200, target)
      }
      assert.deepEqual(handled, [idOf('mailer'), idOf('mailer'), idOf('mailer')])
      assert.deepEqual([asked(), routeAsked], [3, 1])

      async function serveFastify() {
        const app = Fastify({ https: guard.tlsOptions() })
        await app.register(countersign, { guard })
        app.get('/narrowed', { config: { allow: demand } }, ({ principal }) => String(handled.push(principal?.name)))
        app.get('/*', ({ principal }) => String(handled.push(principal?.name)))
        return serve(guard, app)
      }

      function serveExpress() {
        const app = express().use(countersignExpress(guard))
        app.get('/narrowed', allow(demand), ({ principal }, response) => {
          handled.push(principal?.name)
          response.end()
        })
        app.get('/{*rest}', ({ principal }, response) => {
          handled.push(principal?.name)
          response.end()
        })
        return serve(guard, app)
      }
    })
  }
})

test('Express decides both the received target and the target that was rewritten before it', async (context) => {
  const { guard } = create({})
  const handled: string[] = []
  const app = express()
  app.use((request, _response, next) => {
    request.url = request.url.replace('/go', '/admin').replace('/GO', '/ADMIN').replace('/admin/out', '/out')
    if (request.headers['x-method'] === 'DELETE') request.method = 'DELETE'
    next()
  })
  app.use(countersignExpress(guard))
  app.use(({ method, url }, response) => {
    handled.push(`${method} ${url}`)
    response.end()
  })
  const server = createExpressServer(guard, app)
  const port = await listen(context, server)
  for (const target of ['/go/x', '/GO/x', '/admin/out']) {
    assert.equal((await peerOf(context, port, attacker).fetch(target)).status, 403, target)
  }
  assert.deepEqual(handled, [])
  assert.equal((await peerOf(context, port, entitled).fetch('/go/x')).status, 200)
  assert.equal((await peerOf(context, port, entitled).fetch('/x', { headers: { 'x-method': 'DELETE' } })).status, 200)
  assert.deepEqual(handled, ['GET /admin/x', 'DELETE /x'])
})

test('Express decides the target that it receives when a middleware rewrites it again', async (context) => {
  const { guard } = create({})
  const handled: string[] = []
  const app = express()
  app.use((request, _response, next) => {
    request.url = request.url.replace(/^\/admin\/out/i, '/out')
    next()
  })
  app.use(countersignExpress(guard))
  app.use(({ url }, response) => {
    handled.push(url)
    response.end()
  })
  const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
    request.url = request.url?.replace('/v1', '')
    app(request, response)
  })
  guard.attach(server)
  const port = await listen(context, server)
  // The server cannot detect that this listener is an Express application, and has compared the second path exactly.
  for (const target of ['/v1/admin/out', '/ADMIN/out']) {
    assert.equal((await peerOf(context, port, attacker).fetch(target)).status, 403, target)
  }
  assert.deepEqual(handled, [])
  assert.equal((await peerOf(context, port, entitled).fetch('/v1/admin/out')).status, 200)
  assert.deepEqual(handled, ['/out'])
})

test('Fastify decides both targets of rewriteUrl even without a server', async () => {
  const { guard } = create({})
  const rewriteUrl = ({ url = '' }: { url?: string | undefined }): string =>
    url.replace(/^\/(?:go|admin\/out)/, '/open')
  const app = Fastify({ https: guard.tlsOptions(), rewriteUrl })
  await app.register(countersign, { guard })
  app.get('/open', () => 'open')
  const caller = authority.as(attacker)
  assert.equal((await caller.inject(app, '/go')).statusCode, 200)
  assert.equal((await caller.inject(app, '/admin/out')).statusCode, 403)
  await app.close()
})

test("Fastify applies a route's own requirement when a rule defers to it, for every form of the path", async () => {
  const { guard } = create({
    rules: [
      { path: '/users/@me', allow: authenticated() },
      { path: '/users/*', allow: perRoute() },
    ],
  })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/users/@me', () => 'me')
  app.get('/users/:id', { config: { allow: [idOf('admin-ui')] } }, () => 'any')
  await using running = await serve(guard, app)
  assert.equal(await (await running.as(attacker).fetch('/users/@me')).text(), 'me')
  assert.equal((await running.as(attacker).fetch('/users/%40me')).status, 403)
  assert.equal(await (await running.as(entitled).fetch('/users/%40me')).text(), 'any')
})
