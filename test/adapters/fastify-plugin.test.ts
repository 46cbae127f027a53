import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type Duplex, PassThrough } from 'node:stream'
import { test } from 'node:test'
import { authenticated, createGuard, denyAll, hasAuthority, perRoute } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { refusal } from './refusal.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const rules = [
  { path: '/closed', allow: denyAll() },
  { path: '/**', allow: authenticated() },
]

test("writes denials to the request's Fastify logger under the id that the caller receives", async () => {
  const { stream, readLog } = createLog()
  const guard = createGuard({ source, rules })
  const app = Fastify({ https: guard.tlsOptions(), logger: { stream } })
  await app.register(countersign, { guard })
  app.get('/closed', () => 'x')
  const response = await authority.as(coreApi).inject(app, '/closed')
  assert.equal(response.statusCode, 403)
  const [, id = ''] = /urn:uuid:([0-9a-f-]+)/.exec(response.body) ?? []
  const line = readLog()
    .split('\n')
    .find((text) => text.includes(id))
  assert.match(String(line), /"reason":"deny_all"/)
  await app.close()
})

test("prefers the guard's own log over Fastify's", async () => {
  const { stream, readLog } = createLog()
  const types: string[] = []
  const guard = createGuard({ source, rules, log: ({ type }) => types.push(type) })
  const app = Fastify({ https: guard.tlsOptions(), logger: { stream } })
  await app.register(countersign, { guard })
  app.get('/closed', () => 'x')
  await authority.as(coreApi).inject(app, '/closed')
  assert.deepEqual(types, ['denial'])
  assert.doesNotMatch(readLog(), /deny_all/)
  await app.close()
})

test("does not start when a later hook changes a route's allow, because the change would be ignored", async () => {
  const guard = createGuard({ source, rules })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, allow: hasAuthority('SERVICE_admin') }
  })
  app.get('/x', () => 'x')
  await assert.rejects(
    async () => {
      await app.ready()
    },
    refusal('route_uncovered', /config\.allow/),
  )
})

test('does not start with a route that has only methods that no rule names', async () => {
  const guard = createGuard({ source, rules })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.route({ method: 'TRACE', url: '/x', handler: () => 'x' })
  await assert.rejects(async () => app.ready(), refusal('route_uncovered', /TRACE \/x.*methods/))
})

test('does not start without a guard', async () => {
  const guard = createGuard({ source, rules })
  const app = Fastify({ https: guard.tlsOptions() })
  const options = { guard }
  Reflect.deleteProperty(options, 'guard')
  await assert.rejects(
    async () => {
      await app.register(countersign, options)
    },
    refusal('registration_invalid', /createGuard/),
  )
})

test('does not start with an unknown option, or with a guard instead of the options', async () => {
  const guard = createGuard({ source, rules })
  for (const [options, refused] of [
    [{ gaurd: guard }, refusal('option_unknown', /'gaurd'.*'guard'/)],
    [{ guard, allow: [coreApi] }, refusal('option_unknown', /'allow'/)],
    [guard, refusal('registration_invalid', /a guard instead of the options/)],
  ] as const) {
    const app = Fastify({ https: guard.tlsOptions() })
    await assert.rejects(async () => {
      await Promise.resolve<unknown>(Reflect.apply(app.register, app, [countersign, options]))
    }, refused)
  }
})

test("starts with the options of Fastify's own register", async () => {
  const guard = createGuard({ source, rules })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard, prefix: '/internal', logLevel: 'warn' })
  app.get('/closed', () => 'x')
  assert.equal((await authority.as(coreApi).inject(app, '/closed')).statusCode, 403)
})

test('denies a route with an empty parameter if the rule that covers the route does not match it', async () => {
  const narrow = [
    { path: '/files/*', allow: hasAuthority('SERVICE_archive') },
    { path: '/**', allow: authenticated() },
  ]
  const guard = createGuard({ source, rules: narrow, log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/files/:name', () => assert.fail('the handler ran'))
  assert.equal((await authority.as(coreApi).inject(app, '/files/')).statusCode, 403)
  assert.equal((await authority.as(coreApi).inject(app, '/files/a')).statusCode, 403)
  await app.close()
})

for (const [what, closed] of [
  ['denies', { path: '/closed', allow: denyAll() }],
  ['leaves to its route', { path: '/closed', allow: perRoute() }],
] as const) {
  test(`denies an upgrade that a rule ${what} when @fastify/websocket listens on another server`, async () => {
    const guard = createGuard({
      source,
      rules: [closed, { path: '/**', allow: authenticated() }],
      log: () => undefined,
    })
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    await app.register(websocket, { options: { server: createServer() } })
    app.get('/closed', { config: { allow: authenticated() } }, () => 'closed')
    app.server.on('upgrade', (_request, socket: Duplex) => socket.end('HTTP/1.1 101 a denied upgrade\r\n\r\n'))
    await using running = await serve(guard, app)
    const socket = await running.as(await authority.issue(coreApi)).connect()
    socket.write('GET /closed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    assert.match(answer.toString(), /^HTTP\/1\.1 403 /)
  })
}

function createLog(): { readonly stream: PassThrough; readonly readLog: () => string } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { stream, readLog: () => text }
}
