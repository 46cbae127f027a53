import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import cors from '@fastify/cors'
import files from '@fastify/static'
import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import { authenticated, createGuard, hasAuthority, perRoute, type Rule } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority, serve, type TestSvid } from '@countersign/testkit'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { analyticsService, billing, coreApi } from './frameworks.ts'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)
const [svid, otherSvid] = [await authority.issue(coreApi), await authority.issue(analyticsService)]
const internal: Rule = { path: '/internal/**', allow: authenticated() }

describe('the routes of a plugin must be covered like any others', () => {
  test('@fastify/static', async () => {
    const options = { root: import.meta.dirname, prefix: '/files/' }
    const uncovered = await create([internal])
    await uncovered.app.register(files, options)
    await assert.rejects(async () => uncovered.app.ready(), refusal('route_uncovered', /\/files/))

    const { app } = await create([internal, { path: '/files/**', allow: hasAuthority('SERVICE_core-api') }])
    await app.register(files, options)
    for (const method of ['GET', 'HEAD'] as const) {
      assert.equal((await authority.as(svid).inject(app, { method, url: '/files/refusal.ts' })).statusCode, 200)
      assert.equal((await authority.as(otherSvid).inject(app, { method, url: '/files/refusal.ts' })).statusCode, 403)
    }
    assert.equal((await authority.as(svid).inject(app, '/files/..%2fpackage.json')).statusCode, 400)
  })

  test('@fastify/cors', async () => {
    const options = { origin: 'https://console.saas.example' }
    const preflight = {
      method: 'OPTIONS',
      url: '/internal/x',
      headers: { origin: 'https://console.saas.example', 'access-control-request-method': 'GET' },
    }
    const uncovered = await create([internal])
    await uncovered.app.register(cors, options)
    await assert.rejects(async () => uncovered.app.ready(), refusal('route_uncovered', /OPTIONS \*/))

    const everyOption: Rule = { path: '/**', methods: ['OPTIONS'], allow: hasAuthority('SERVICE_core-api') }
    const { app } = await create([everyOption, internal])
    await app.register(cors, options)
    assert.equal((await authority.as(svid).inject(app, preflight)).statusCode, 204)
    assert.equal((await authority.as(otherSvid).inject(app, preflight)).statusCode, 403)
  })

  test('@fastify/swagger', async () => {
    const document = '/documentation/json'
    const uncovered = await create([internal])
    await uncovered.app.register(swagger)
    uncovered.app.get(document, () => uncovered.app.swagger())
    await assert.rejects(async () => uncovered.app.ready(), refusal('route_uncovered', /\/documentation/))

    const { app } = await create([internal, { path: '/documentation/**', allow: authenticated() }])
    await app.register(swagger)
    app.get('/internal/x', { config: { allow: [coreApi] } }, () => 'x')
    app.get(document, () => app.swagger())
    const described = await authority.as(svid).inject(app, document)
    assert.equal(described.statusCode, 200)
    assert.match(described.body, /\/internal\/x/)
  })

  test('@fastify/websocket upgrades are subject to the rules and to the allow of their route', async () => {
    const uncovered = await create([internal])
    await uncovered.app.register(websocket)
    uncovered.app.get('/live', { websocket: true }, () => undefined)
    await assert.rejects(async () => uncovered.app.ready(), refusal('route_uncovered', /\/live/))

    const { app, guard } = await create([internal])
    const opened: string[] = []
    await app.register(websocket)
    app.get('/internal/live', { websocket: true, config: { allow: [coreApi] } }, (socket, { url, principal }) => {
      opened.push(url)
      socket.send(principal?.name ?? 'nobody')
    })
    app.get('/internal/open', { websocket: true }, (_socket, { url }) => void opened.push(url))
    await using running = await serve(guard, app)
    const open = (caller: TestSvid | null, path: string): Promise<string> => openWebSocket(running.port, caller, path)
    assert.equal(await open(svid, '/internal/live'), coreApi)
    assert.equal(await open(otherSvid, '/internal/live'), '403')
    assert.equal(await open(svid, '/live'), '403')
    assert.equal(await open(svid, '/internal//live'), '400')
    assert.equal(await open(null, '/internal/live'), 'refused')
    assert.equal(await open(await authority.issue(coreApi, { faults: ['two_uri_sans'] }), '/internal/live'), 'refused')
    assert.deepEqual(opened, ['/internal/live'])

    // A listener next to the plugin's does not bypass the rules.
    const reached: string[] = []
    running.server.on('upgrade', ({ url }: { readonly url: string }) => reached.push(url))
    assert.equal(await open(svid, '/live'), '403')
    assert.deepEqual(reached, [])
  })

  test('@fastify/websocket upgrades can be left to their route if no other listener receives them', async () => {
    const { app, guard } = await create([{ path: '/internal/**', allow: perRoute() }])
    await app.register(websocket)
    app.get('/internal/live', { websocket: true, config: { allow: [coreApi] } }, (socket) => socket.send('live'))
    await using running = await serve(guard, app)
    assert.equal(await openWebSocket(running.port, svid, '/internal/live'), 'live')
    assert.equal(await openWebSocket(running.port, otherSvid, '/internal/live'), '403')

    running.server.on('upgrade', () => assert.fail('it received what was left to the route'))
    for (const caller of [svid, otherSvid]) {
      assert.equal(await openWebSocket(running.port, caller, '/internal/live'), '403')
    }
  })
})

async function create(rules: readonly Rule[]) {
  const guard = createGuard({ source, rules, log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  return { guard, app }
}

/** The first message, or the status instead, or that there was none. */
async function openWebSocket(port: number, svid: TestSvid | null, path: string): Promise<string> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, {
    rejectUnauthorized: false,
    ...(svid !== null && { key: svid.keyPem, cert: svid.certificatePem }),
  })
  const message = once(socket, 'message').then(([data]: unknown[]) => String(data))
  const response = new Promise<string>((resolve) => {
    socket.once('unexpected-response', (_request, { statusCode }) => resolve(String(statusCode)))
  })
  try {
    return await Promise.race([message, response])
  } catch {
    return 'refused'
  } finally {
    message.catch(() => undefined)
    socket.on('error', () => undefined)
    socket.terminate()
  }
}
