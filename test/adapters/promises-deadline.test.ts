import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type OutgoingHttpHeaders, request } from 'node:http'
import type { Server } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { anyOf, authenticated, type CountersignEvent, createGuard, permitAll, provenBy } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import {
  ask,
  everywhere,
  idOf,
  keepConnection,
  type Service,
  setups,
  startService,
  upgrade,
} from './credential-service.ts'
import { formats, listProxy, proxyId } from './forwarded-headers.ts'
import { bearer, createBundles, issueToken } from './token-service.ts'

const authority = await createAuthority('saas.example')
const [orders, proxy] = [await authority.issue(idOf('orders')), await authority.issue(proxyId)]
const [{ format, write } = assert.fail()] = formats
const rules = everywhere(permitAll())

/** A clock that only the test moves. */
interface Clock {
  /** Two minutes ahead. */
  readonly until: string
  readonly pass: (milliseconds: number) => void
}

function takeClock({ mock }: TestContext): Clock {
  const now = Math.ceil(Date.now() / 1000) * 1000
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now })
  return {
    until: new Date(now + 120_000).toISOString(),
    pass: (milliseconds) => {
      for (let rest = milliseconds; rest > 0; rest -= 30_000) mock.timers.tick(Math.min(rest, 30_000))
    },
  }
}

describe('promise 12: permissive mode ends by itself at its deadline', () => {
  for (const setup of setups) {
    test(`${setup.name}: whatever anonymous callers have open ends with it, and nothing else`, async (context) => {
      const { until, pass } = takeClock(context)
      const source = await authority.source(idOf('billing'))
      const credentials = {
        forwarded: { proxies: [listProxy()], format },
        jwtSvid: { audiences: ['billing'], bundles: createBundles(), withoutCertificate: true as const },
      }
      const open = [{ path: '/**', allow: anyOf(permitAll(), provenBy('jwt-svid')) }]
      const service = await startService(context, setup, { source, rules: open, credentials, permissive: { until } })
      const token = bearer(issueToken('reports'))
      const ending = [
        await (await keepConnection(service, null)).begin(),
        await (await keepConnection(service, proxy)).begin(),
        ...(setup.http2 ? [] : [await upgrade(service, null), await upgrade(service, proxy)]),
      ]
      const staying = [
        await (await keepConnection(service, orders)).begin(),
        await (await keepConnection(service, proxy)).begin(write(orders)),
        await (await keepConnection(service, null)).begin(token),
        ...(setup.http2 ? [] : [await upgrade(service, orders)]),
      ]
      const [direct, behind, certain] = [service.as(null), service.as(proxy), service.as(orders)]
      for (const peer of [direct, behind]) assert.deepEqual(await ask(peer, '/open'), [null, null])
      pass(119_999)
      for (const peer of [direct, behind]) assert.deepEqual(await ask(peer, '/open'), [null, null])
      assert.ok(ending.every(({ isOpen }) => isOpen()))
      const handled = service.seen.length
      pass(1)
      for (const { ended } of ending) assert.deepEqual(await ended, { isComplete: false })
      for (const peer of [direct, behind, service.as(null), service.as(proxy)]) {
        const response = await peer.fetch('/open')
        assert.equal(response.status, 401)
        assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      }
      assert.equal(service.seen.length, handled)
      assert.ok(staying.every(({ isOpen }) => isOpen()))
      assert.deepEqual(await ask(certain, '/open'), [orders.spiffeId, null])
      assert.deepEqual(await ask(behind, '/open', write(orders)), [orders.spiffeId, proxyId])
      assert.deepEqual(await ask(direct, '/open', token), [idOf('reports'), null])
      assert.deepEqual(modesOf(service), ['started', 'ended'])
    })

    test(`${setup.name}: from then on a caller without a certificate is refused`, async (context) => {
      const { until, pass } = takeClock(context)
      const source = await authority.source(idOf('billing'))
      const service = await startService(context, setup, { source, rules, permissive: { until } })
      const kept = service.as(null)
      assert.deepEqual(await ask(kept, '/open'), [null, null])
      const connection = await keepConnection(service, null)
      const running = setup.http2 ? [await connection.begin(), await connection.begin()] : []
      pass(120_000)
      await assert.rejects(service.as(null).fetch('/open'))
      assert.equal(await ask(kept, '/open'), 401)
      for (const { ended } of running) assert.deepEqual(await ended, { isComplete: false })
      // The connection belongs to a caller that may authenticate its next request with a token elsewhere.
      if (setup.http2) assert.ok(connection.isOpen())
      assert.deepEqual(await ask(service.as(orders), '/open'), [orders.spiffeId, null])
    })

    test(`${setup.name}: the clock alone decides, without a timer`, async (context) => {
      const source = await authority.source(idOf('billing'))
      const until = Date.now() + 1_800_000
      const service = await startService(context, setup, {
        source,
        rules,
        permissive: { until: new Date(until).toISOString() },
      })
      const kept = service.as(null)
      assert.deepEqual(await ask(kept, '/open'), [null, null])
      const clock = context.mock.method(Date, 'now', () => until - 1)
      assert.deepEqual(await ask(kept, '/open'), [null, null])
      clock.mock.mockImplementation(() => until)
      assert.equal(await ask(kept, '/open'), 401)
      await assert.rejects(service.as(null).fetch('/open'))
      assert.deepEqual(modesOf(service), ['started'])
    })

    test(`${setup.name}: a service that starts later is strict, and says so`, async (context) => {
      for (const until of ['2026-01-31T00:00:00Z', new Date(Date.now() - 1).toISOString()]) {
        const source = await authority.source(idOf('billing'))
        const service = await startService(context, setup, { source, rules, permissive: { until } })
        assert.deepEqual(modesOf(service), ['expired'])
        await assert.rejects(service.as(null).fetch('/open'))
        assert.deepEqual(await ask(service.as(orders), '/open'), [orders.spiffeId, null])
        assert.deepEqual(
          service.seen.map(({ caller }) => caller),
          [orders.spiffeId],
        )
        assert.equal(service.guard.readiness(), undefined)
      }
    })
  }

  test('plaintext: nothing in a request counts, and connections close with the deadline', async (context) => {
    const until = new Date(Date.now() + 2000).toISOString()
    const events: CountersignEvent[] = []
    const source = await authority.source(idOf('billing'))
    const credentials = {
      forwarded: { proxies: [listProxy({ tokens: true })], format },
      jwtSvid: { audiences: ['billing'], bundles: createBundles(), withoutCertificate: true as const },
    }
    const [strict = assert.fail()] = everywhere(authenticated())
    const guard = createGuard({
      source,
      credentials,
      rules: [{ ...strict, path: '/admin' }, ...rules],
      permissive: { until },
      log: (event) => void events.push(event),
    })
    const callers: (string | null | undefined)[] = []
    const names = new Set<string>()
    const app = express()
    app.use(countersign(guard))
    app.get(['/open', '/admin'], ({ principal, rawHeaders }, response) => {
      callers.push(principal?.name ?? null)
      for (const name of rawHeaders.filter((_, index) => index % 2 === 0)) names.add(name.toLowerCase())
      response.end('open')
    })
    app.get('/long', (_request, response) => void response.write('first'))
    const listener = guard.migrationListener(createServer(guard, app))
    context.after(() => {
      listener.close()
      listener.closeAllConnections()
    })
    const port = await listen(listener)
    for (const headers of [{}, write(orders), bearer(issueToken('orders')), bearer('x'), { 'client-cert': '?' }]) {
      assert.deepEqual(await send(port, '/open', headers), 200)
      assert.deepEqual(await send(port, '/admin', headers), 401)
    }
    assert.deepEqual(callers, [null, null, null, null, null])
    assert.ok(!names.has('client-cert') && names.has('authorization'))
    const asked = request({ host: '127.0.0.1', port, path: '/long', agent: false }).end()
    const closed = new Promise((resolve) => {
      asked.on('error', resolve)
      asked.once('response', (response) => response.resume().on('error', resolve).once('close', resolve))
    })
    await closed
    assert.ok(Date.now() >= Date.parse(until))
    await assert.rejects(send(port, '/open', {}))
    assert.deepEqual(modesOf({ events }), ['started', 'ended'])
  })
})

function modesOf({ events }: Pick<Service, 'events'>): readonly string[] {
  return events.flatMap((event) => (event.type === 'mode' ? [event.outcome] : []))
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

function send(port: number, path: string, headers: OutgoingHttpHeaders): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      text(response).then(() => resolve(response.statusCode), reject)
    })
    asked.on('error', reject).end()
  })
}
