import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type Authorizer, authenticated, createGuard } from '@countersign/core'
import countersign from '@countersign/fastify'
import { forAdapter } from '@countersign/core/adapter'
import { createAuthority, Running } from '@countersign/testkit'
import Fastify from 'fastify'
import { createThenable } from '../authorizer/thenable.ts'
import { engine, hurriedEngine, opa, statusOfUpgrade } from './authorized-service.ts'
import { everywhere, idOf, setups, startService } from './credential-service.ts'

const authority = await createAuthority('saas.example')
const orders = await authority.issue(idOf('orders'))
const rules = everywhere(authenticated())

/** An engine, and what its callers receive. */
interface Engine {
  readonly name: string
  readonly create: () => Authorizer | Promise<Authorizer>
  readonly status: 403 | 503
  readonly reason: string
  readonly headers?: OutgoingHttpHeaders
}

const unavailable = { status: 503, reason: 'authorizer_unavailable' } as const
const undefinedResult = { status: 403, reason: 'authorizer_undefined' } as const
const denied = { status: 403, reason: 'authorizer_denied' } as const

const engines: readonly Engine[] = [
  { name: 'that denies', create: () => engine(() => false), ...denied },
  { name: 'that denies later', create: () => engine(async () => ({ allow: false, reason: 'no' })), ...denied },
  { name: 'that is down', create: () => engine(() => assert.fail('connect ECONNREFUSED')), ...unavailable },
  { name: 'that throws a string', create: () => engine(() => raise('opa_malloc: failed')), ...unavailable },
  { name: 'that rejects', create: () => engine(async () => assert.fail('socket hang up')), ...unavailable },
  { name: 'that rejects with a string', create: () => engine(async () => raise('down')), ...unavailable },
  { name: 'that never settles', create: () => hurriedEngine(() => new Promise(() => undefined)), ...unavailable },
  { name: 'that allows after its time is up', create: () => hurriedEngine(allowLate), ...unavailable },
  {
    name: 'whose thenable allows after its time is up',
    create: () => hurriedEngine((_question, { signal }) => createThenable(resolveLate(signal))),
    ...unavailable,
  },
  { name: 'that blocks for too long', create: () => hurriedEngine(block), ...unavailable },
  { name: 'without a result', create: () => engine(() => undefined), ...undefinedResult },
  { name: 'without a result, later', create: () => engine(async () => undefined), ...undefinedResult },
  ...['true', 1, {}, [], null, { allow: 'true' }, { result: true }, { allow: true, but: 1 }, () => true].map(
    (value): Engine => ({
      name: `that returns ${typeof value} ${JSON.stringify(value)}`,
      create: () => engine(async () => value),
      ...unavailable,
    }),
  ),
  {
    name: 'with a getter that throws',
    create: () => engine(() => Object.defineProperty({}, 'allow', { get: () => raise('no') })),
    ...unavailable,
  },
  { name: 'in WebAssembly that denies', create: () => opa('allow', []), ...denied },
  { name: 'in WebAssembly that denies with a reason', create: () => opa('decision', []), ...denied },
  { name: 'in WebAssembly without a result', create: () => opa('without_default', []), ...undefinedResult },
  { name: 'in WebAssembly with a malformed decision', create: () => opa('malformed'), ...unavailable },
  {
    name: 'in WebAssembly that needs more memory than it may have',
    create: () => opa('hungry'),
    headers: { 'x-size': '1000000' },
    ...unavailable,
  },
  {
    name: 'in WebAssembly with an error of its policy',
    create: () => opa('conflicting'),
    headers: { 'x-line': ['yes', 'no'] },
    ...unavailable,
  },
]

describe('promise 15: a policy engine that is slow, down or wrong never lets anyone in', () => {
  for (const setup of setups) {
    for (const { name, create, status, reason, headers = {} } of engines) {
      test(`${setup.name}: an engine ${name}`, async (context) => {
        const source = await authority.source(idOf('billing'))
        const service = await startService(context, setup, { source, rules, authorizer: await create() })
        const peer = service.as(orders)
        const statuses = [(await peer.fetch('/open', { headers })).status]
        statuses.push((await peer.fetch('/open', { headers: { ...headers, expect: '100-continue' } })).status)
        statuses.push((await peer.fetch('/admin', { headers, method: 'POST' })).status)
        if (!setup.http2) statuses.push(await statusOfUpgrade(service, orders, writeLines(headers)))
        const expected = name.includes('WebAssembly') && status === 503 ? [status, 403] : [status]
        for (const found of statuses) assert.ok(expected.includes(found), `${found}`)
        assert.equal(statuses[0], status)
        assert.deepEqual(service.seen, [])
        const reasons = service.events.map((event) => (event.type === 'denial' ? event.reason : event.type))
        assert.equal(reasons.filter((each) => each === reason).length > 0, true, reasons.join())
        assert.equal(reasons.length, statuses.length)
      })
    }

    test(`${setup.name}: one that flaps lets in only what it allows`, async (context) => {
      let calls = 0
      const answers = [true, () => assert.fail('down'), true, 'yes', false, undefined, { allow: true }, { allow: 1 }]
      const flapping = engine(async () => {
        const answer = answers[calls % answers.length]
        calls += 1
        return typeof answer === 'function' ? answer() : answer
      })
      const source = await authority.source(idOf('billing'))
      const service = await startService(context, setup, { source, rules, authorizer: flapping })
      const peer = service.as(orders)
      const statuses: number[] = []
      for (let count = 0; count < 2 * answers.length; count += 1)
        statuses.push((await peer.fetch(`/open/${count}`)).status)
      const round = [200, 503, 200, 503, 403, 403, 200, 503]
      assert.deepEqual(statuses, [...round, ...round])
      assert.deepEqual(
        service.seen.map(({ path }) => path),
        [0, 2, 6, 8, 10, 14].map((count) => `/open/${count}`),
      )
    })

    test(`${setup.name}: one that answers lets in`, async (context) => {
      for (const create of [
        () => engine(() => true),
        () => engine(async () => ({ allow: true })),
        () => opa('allow'),
      ]) {
        const source = await authority.source(idOf('billing'))
        const service = await startService(context, setup, { source, rules, authorizer: await create() })
        const peer = service.as(orders)
        assert.equal((await peer.fetch('/open')).status, 200)
        assert.equal((await peer.fetch('/open', { headers: { expect: '100-continue' } })).status, 200)
        if (!setup.http2) assert.equal(await statusOfUpgrade(service, orders), 101)
        assert.equal(service.seen.length, setup.http2 ? 2 : 3)
        assert.deepEqual(service.events, [])
      }
    })
  }

  test('injected requests: only an answer that allows leads to the handler', async () => {
    for (const { name, create, status, headers = {} } of engines) {
      const guard = createGuard({
        source: await authority.source(idOf('billing')),
        rules,
        authorizer: await create(),
        log,
      })
      const app = Fastify({ https: guard.tlsOptions() })
      await app.register(countersign, { guard })
      app.get('/open', () => assert.fail('the handler was called'))
      const response = await authority.as(orders.spiffeId).inject(app, { url: '/open', headers })
      assert.equal(response.statusCode, status, name)
      await app.close()
    }
    const guard = createGuard({
      source: await authority.source(idOf('billing')),
      rules,
      authorizer: engine(allowSoon),
      log,
    })
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    app.get('/open', ({ principal }) => principal?.name)
    assert.equal((await authority.as(orders.spiffeId).inject(app, '/open')).body, orders.spiffeId)
    await app.close()
  })

  test('a request that is emitted again as another event, which no hook decides, is asked about', async (context) => {
    const source = await authority.source(idOf('billing'))
    for (const [allow, expected] of [
      [false, 403],
      [true, 200],
    ] as const) {
      const guard = createGuard({ source, rules, authorizer: engine(async () => allow), log })
      const server = createServer({ ...guard.tlsOptions() }, (request, response) => {
        server.emit('checkExpectation', request, response)
      })
      server.on('checkExpectation', (_request, response) => void response.end())
      forAdapter(guard).attach(server, { routesRequest: () => true })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const running = new Running(server, async () => server.close().closeAllConnections())
      context.after(() => running.close())
      assert.equal((await running.as(orders).fetch('/open')).status, expected)
    }
  })

  test('a connection without HTTP is denied, because there is nothing to ask about', async (context) => {
    const [setup = assert.fail()] = setups
    const source = await authority.source(idOf('billing'))
    const service = await startService(context, setup, { source, rules, authorizer: engine(() => true) })
    const accepted = new Promise<unknown>((resolve) => {
      service.running.server.once('secureConnection', (socket: TLSSocket) =>
        resolve(service.guard.admitConnection(socket)),
      )
    })
    ;(await service.as(orders).connect()).on('error', () => undefined)
    const verdict = await accepted
    assert.ok(typeof verdict === 'object' && verdict !== null && 'reason' in verdict)
    assert.equal(verdict.reason, 'authorizer_unavailable')
  })
})

const log = (): void => undefined

function raise(value: unknown): never {
  throw value
}

async function allowSoon(): Promise<boolean> {
  return true
}

function allowLate(_question: unknown, { signal }: { signal: AbortSignal }): Promise<boolean> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(true)))
}

function resolveLate(signal: AbortSignal): (resolve: (value: unknown) => void) => void {
  return (resolve) => signal.addEventListener('abort', () => resolve(true))
}

function block(): boolean {
  const until = performance.now() + 60
  while (performance.now() < until);
  return true
}

function writeLines(headers: OutgoingHttpHeaders): string {
  return Object.entries(headers)
    .flatMap(([name, value]) => [value ?? []].flat().map((each) => `${name}: ${each}\r\n`))
    .join('')
}
