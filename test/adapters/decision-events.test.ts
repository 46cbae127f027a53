import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { PassThrough } from 'node:stream'
import { before, describe, test, type TestContext } from 'node:test'
import {
  authenticated,
  channels,
  type CountersignEvent,
  createGuard,
  custom,
  type Guard,
  type GuardOptions,
  hasAuthority,
} from '@countersign/core'
import { allow as allowExpress, countersign as countersignExpress } from '@countersign/express'
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
import Fastify from 'fastify'
import { watchHandshakes } from './watch-handshakes.ts'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const onlyAdmin = [idOf('admin-ui')]
const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

let authority: Authority
let source: TestSource
let caller: TestSvid
before(async () => {
  authority = await createAuthority('saas.example')
  source = await authority.source(idOf('billing'))
  caller = await authority.issue(idOf('mailer'))
})

type Fields = Readonly<Record<string, unknown>>

for (const framework of ['Fastify', 'Express'] as const) {
  describe(`${framework}: publishes every decision`, () => {
    test('publishes an allowed request with method, path, caller and rule', async (context) => {
      const decisions = listen(context)
      await using running = await start(framework)
      const { status } = await running.as(caller).fetch('/open?secret=1', { method: 'POST' })
      assert.equal(status, 200)
      const [{ at, remoteAddress, ...decision } = {}, ...more] = decisions
      assert.deepEqual(decision, {
        type: 'decision',
        effect: 'allow',
        method: 'POST',
        path: '/open',
        principal: idOf('mailer'),
        credential: 'x509-svid',
        rule: 1,
      })
      assert.ok(typeof at === 'number' && Math.abs(Date.now() - at) < 60_000)
      assert.match(String(remoteAddress), /127\.0\.0\.1/)
      assert.deepEqual(more, [])
    })

    test('publishes a denied request as the denial that is logged', async (context) => {
      const decisions = listen(context)
      const events: CountersignEvent[] = []
      await using running = await start(framework, (event) => events.push(event))
      const response = await running.as(caller).fetch('/admin/x')
      assert.equal(response.status, 403)
      const [{ effect, type, ...decision } = {}, ...more] = decisions
      assert.deepEqual([type, effect, more], ['decision', 'deny', []])
      const [event] = events
      assert.ok(event?.type === 'denial')
      const { type: _, ...logged } = event
      assert.deepEqual(decision, logged)
      assert.match(await response.text(), new RegExp(event.id))
    })

    test("publishes a request that the route's own allow denies", async (context) => {
      const decisions = listen(context)
      await using running = await start(framework)
      assert.equal((await running.as(caller).fetch('/narrowed')).status, 403)
      const last = decisions.at(-1)
      assert.equal(last?.['effect'], 'deny')
      assert.equal(last['reason'], 'caller_not_listed')
      assert.equal(last['principal'], idOf('mailer'))
      // Express receives the route when the rules are decided and published.
      assert.equal(decisions.length, framework === 'Fastify' ? 1 : 2)
    })
  })

  describe(`${framework}: names the caller in a denial`, () => {
    for (const [what, target, reason] of [
      ['by a rule', '/admin/x', 'authority_missing'],
      ['by the route', '/narrowed', 'caller_not_listed'],
      ['of a target that is ambiguous', '/admin/../open', 'dot_segment'],
      ['of an encoded slash', '/a%2Fb', 'encoded_delimiter'],
    ] as const) {
      test(what, async () => {
        const events: CountersignEvent[] = []
        await using running = await start(framework, (event) => events.push(event))
        const response = await running.as(caller).fetch(target)
        const [event, ...more] = events
        assert.ok(event?.type === 'denial' && more.length === 0)
        assert.equal(event.reason, reason)
        assert.equal(event.principal, idOf('mailer'))
        assert.equal(event.method, 'GET')
        assert.equal(event.path, target)
        assert.match(await response.text(), new RegExp(event.id))
      })
    }

    test('publishes denials for an unknown method and an invalid Host', async () => {
      const events: CountersignEvent[] = []
      await using running = await start(framework, (event) => events.push(event))
      await running.as(caller).fetch('/open', { method: 'PROPFIND' })
      await running.as(caller).fetch('/open', { headers: { host: 'a/b' } })
      assert.deepEqual(
        events.map((event) => event.type === 'denial' && [event.reason, event.principal]),
        [
          ['unknown_method', idOf('mailer')],
          ['bad_host', idOf('mailer')],
        ],
      )
    })

    test("publishes a denial when the caller's authorities could not be determined", async () => {
      const events: CountersignEvent[] = []
      const authorities = (): readonly string[] => assert.fail('the directory is down')
      await using running = await start(framework, (event) => events.push(event), { authorities })
      assert.equal((await running.as(caller).fetch('/open')).status, 503)
      assert.equal((await running.as(caller).fetch('/a//b')).status, 400)
      assert.deepEqual(
        events.map((event) => event.type === 'denial' && [event.reason, event.principal]),
        [
          ['evaluation_error', idOf('mailer')],
          ['empty_segment', idOf('mailer')],
        ],
      )
    })
  })
}

test('publishes decisions about upgrades and about calls without a server', async (context) => {
  const decisions = listen(context)
  const guard = createGuard({ source, rules, log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/open', () => 'open')
  assert.equal((await authority.as(caller).inject(app, '/open')).statusCode, 200)
  assert.deepEqual(pick(decisions), [['allow', 'GET', '/open', idOf('mailer')]])
  await using running = await serve(guard, app)
  running.server.on('upgrade', (_request: unknown, socket: { end(): void }) => socket.end())
  for (const path of ['/open', '/admin']) {
    const socket = await running.as(caller).connect()
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n`)
    await new Promise((resolve) => socket.once('close', resolve).resume())
  }
  assert.deepEqual(pick(decisions).slice(1), [
    ['allow', 'GET', '/open', idOf('mailer')],
    ['deny', 'GET', '/admin', idOf('mailer')],
  ])
})

test('builds no decision event without subscribers', async () => {
  let read = 0
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: custom('any', () => true) }],
    log: () => undefined,
  })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/open', () => 'open')
  await using running = await serve(guard, app)
  watchHandshakes(running.server, (socket) => {
    Reflect.defineProperty(socket, 'remoteAddress', { get: () => (read += 1) })
  })
  assert.equal((await running.as(caller).fetch('/open')).status, 200)
  assert.equal(read, 0)
  const decisions: unknown[] = []
  const note = (event: unknown): void => void decisions.push(event)
  subscribe(channels.decision, note)
  assert.equal((await running.as(caller).fetch('/open')).status, 200)
  unsubscribe(channels.decision, note)
  assert.equal(decisions.length, 1)
  assert.ok(read > 0)
})

describe('Fastify logs a denial', () => {
  test('from a hook with the reqId of its request, and one from the server with all other fields', async () => {
    const { log, app, guard } = await createLogging()
    app.get('/narrowed', { config: { allow: onlyAdmin } }, () => 'narrowed')
    await app.register(async (child) => {
      child.addHook('onRequest', allow(onlyAdmin))
      child.get('/child', () => 'child')
    })
    await using running = await serve(guard, app)
    const ids = new Map<string, string>()
    for (const path of ['/narrowed', '/child', '/admin/x']) {
      const response = await running.as(caller).fetch(path)
      assert.equal(response.status, 403, path)
      ids.set(path, /urn:uuid:([0-9a-f-]+)/.exec(await response.text())?.[1] ?? '')
    }
    const denials = log().filter((line) => String(line['msg']).startsWith('denied: '))
    assert.deepEqual(
      denials.map(({ reqId }) => reqId),
      ['request of /narrowed', 'request of /child', undefined],
    )
    for (const [index, [path, id]] of [...ids].entries()) {
      const event = denials[index]?.['countersign']
      assert.ok(isFields(event))
      const { type, method, path: logged, principal } = event
      assert.deepEqual([type, method, logged, principal, event['id']], ['denial', 'GET', path, idOf('mailer'), id])
    }
  })

  test("that did not come from the request's own hook with the logger of the instance", async () => {
    const { log, app, guard } = await createLogging()
    // Denied by the server while another request waits in a hook.
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    app.get('/waits', async () => {
      await released
      return 'waited'
    })
    await using running = await serve(guard, app)
    const waiting = running.as(caller).fetch('/waits')
    assert.equal((await running.as(caller).fetch('/admin/x')).status, 403)
    release()
    assert.equal((await waiting).status, 200)
    const [denial] = log().filter((line) => String(line['msg']).startsWith('denied: '))
    assert.ok(denial !== undefined && !('reqId' in denial))
  })
})

/** The events that are published on the decision channel during a test. */
function listen(context: TestContext): readonly Fields[] {
  const decisions: Fields[] = []
  const note = (event: unknown): void => {
    if (isFields(event)) decisions.push(event)
  }
  subscribe(channels.decision, note)
  context.after(() => unsubscribe(channels.decision, note))
  return decisions
}

function pick(decisions: readonly Fields[]): readonly unknown[] {
  return decisions.map(({ effect, method, path, principal }) => [effect, method, path, principal])
}

async function start(
  framework: 'Fastify' | 'Express',
  log: (event: CountersignEvent) => unknown = () => undefined,
  options: Partial<GuardOptions> = {},
): Promise<Running> {
  const guard = createGuard({ source, rules, log: (event) => void log(event), ...options })
  if (framework === 'Fastify') {
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    app.all('/open', () => 'open')
    app.get('/narrowed', { config: { allow: onlyAdmin } }, () => 'narrowed')
    return serve(guard, app)
  }
  const app = express().use(countersignExpress(guard))
  app.all('/open', (_request, response) => void response.send('open'))
  app.get('/narrowed', allowExpress(onlyAdmin), (_request, response) => void response.send('narrowed'))
  return serve(guard, app)
}

async function createLogging() {
  const stream = new PassThrough({ encoding: 'utf8' })
  const guard: Guard = createGuard({ source, rules })
  const genReqId = ({ url }: { url?: string | undefined }): string => `request of ${url}`
  const app = Fastify({ https: guard.tlsOptions(), logger: { stream }, genReqId })
  await app.register(countersign, { guard })
  const log = (): readonly Fields[] =>
    String(stream.read())
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
      .filter(isFields)
  return { log, app, guard }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}
