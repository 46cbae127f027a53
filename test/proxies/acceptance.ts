import assert from 'node:assert/strict'
import test, { after, before, describe } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { TestSvid } from '@countersign/testkit'
import type { SentHeaders } from './caller.ts'
import { until } from './program.ts'
import { forge, forwardingHeaders, type Proxy } from './proxy.ts'
import { readSeen, type Seen } from './service.ts'
import { setUp, type Setup } from './set-up.ts'
import { proxyId, serviceId, writeProxySvid } from './workloads.ts'

/** Tests for every proxy in front of a guarded service. */
export function testAcceptance(proxy: Proxy): void {
  describe(`${proxy.name} in front of a guarded service`, { timeout: 180_000 }, () => testCallers(proxy))
}

function testCallers(proxy: Proxy): void {
  let shared: Setup
  before(async () => (shared = await setUp(proxy)))
  after(() => shared?.close())

  for (const name of ['orders', 'reports', 'evil', 'utf'] as const) {
    test(`the caller is ${name}, forwarded by the proxy`, async (t) => {
      const seen = await shared.see(t, shared.workloads.callers[name])

      assert.equal(seen.caller, shared.workloads.callers[name].spiffeId)
      assert.equal(seen.credential, 'forwarded')
      assert.equal(seen.proxy, proxyId)
      assert.equal(seen.httpVersion, proxy.httpVersion)
      assert.deepEqual(readForwarded(seen), [])
    })
  }

  test('only the caller that a rule names passes it', async (t) => {
    const { orders, reports, evil, utf } = shared.workloads.callers

    assert.equal(await shared.status(t, orders, '/orders/1'), 200)
    for (const svid of [reports, evil, utf]) assert.equal(await shared.status(t, svid, '/orders/1'), 403)
  })

  test('a caller without a certificate is anonymous, never the proxy', async (t) => {
    assert.equal(await shared.status(t, null, '/'), 401)
    assert.equal(await shared.status(t, null, '/orders/1'), 401)

    assert.equal(await shared.status(t, null, '/open'), 200)
    assert.equal((await shared.see(t, null, '/open')).caller, null)
  })

  test('a caller outside of forwards, the service itself and the proxy itself are denied', async (t) => {
    const { workloads } = shared
    const { staging, neighbour } = workloads.callers
    const own = await workloads.intermediate.issue(serviceId)
    const otherProxy = await workloads.intermediate.issue(proxyId)

    for (const svid of [staging, neighbour, own, otherProxy]) {
      for (const path of ['/', '/open']) assert.equal(await shared.status(t, svid, path), 403, svid.spiffeId)
    }
  })

  test('a certificate whose DNS name continues the header is never that of another caller', async (t) => {
    const { workloads } = shared
    const { orders, reports } = workloads.callers
    // Envoy writes the names without quotes.
    const element = `By=${proxyId};${forge(orders)['x-forwarded-client-cert']}`
    for (const dnsNames of [[`a,${element}`], [`a;URI=${orders.spiffeId}`], [`a", ${element}`]]) {
      const svid = await workloads.intermediate.issue(reports.spiffeId, { dnsNames })

      assert.equal(await shared.status(t, svid, '/orders/1'), 403)
      const { status, text } = await shared.call(t, svid).call('/')
      if (status === 200) assert.equal(readSeen(text).caller, reports.spiffeId)
      else assert.equal(status, 403)
    }
  })

  test('forged headers change nothing, in any format', async (t) => {
    const { orders, reports, evil } = shared.workloads.callers
    for (const svid of [reports, evil, null]) {
      for (const headers of forgeries(orders)) {
        const { caller, headers: received } = await shared.see(t, svid, '/open', headers)

        assert.equal(caller, svid?.spiffeId ?? null)
        assert.deepEqual(readForwarded({ headers: received }), [])
        assert.equal(await shared.status(t, svid, '/orders/1', headers), svid === null ? 401 : 403)
      }
    }
  })

  test('forged trailers change nothing, and no handler sees them', async (t) => {
    const { orders, reports, neighbour } = shared.workloads.callers
    const own = { 'x-checksum': 'abc' }
    for (const [caller, svid] of [
      [shared.call(t, reports), reports],
      [shared.connect(t, neighbour), neighbour],
    ] as const) {
      // One at a time, because Go refuses more than 4 KiB of trailers.
      for (const [name, value] of Object.entries(forge(orders))) {
        const { status, text } = await caller.post('/', { [name]: value, ...own })

        assert.equal(status, 200, text)
        const seen = readSeen(text)
        assert.equal(seen.caller, svid.spiffeId)
        assert.deepEqual(readForwarded({ headers: seen.trailers }), [])
        // Proxies may drop trailers.
        if (svid === neighbour) assert.deepEqual(seen.trailers, Object.entries(own).flat())
      }
    }
  })

  test('an unlisted workload stays itself, whatever certificate it puts into headers', async (t) => {
    const { neighbour, orders } = shared.workloads.callers
    for (const headers of forgeries(orders)) {
      const direct = shared.connect(t, neighbour)

      const { status, text } = await direct.call('/', headers)

      assert.equal(status, 200, text)
      const seen = readSeen(text)
      assert.equal(seen.caller, neighbour.spiffeId)
      assert.equal(seen.proxy, null)
      assert.deepEqual(readForwarded(seen), [])
      assert.equal((await direct.call('/orders/1', headers)).status, 403)
    }
  })

  test('one connection of the proxy carries requests of several callers', async (t) => {
    const { orders, reports } = shared.workloads.callers
    const callers = [orders, reports].map((svid) => ({
      svid,
      caller: shared.call(t, svid),
      connections: new Set<number>(),
    }))
    const [first, second] = callers

    await until('two callers on one connection', async () => {
      for (const { svid, caller, connections } of callers) {
        const { text } = await caller.call('/')
        const seen = readSeen(text)
        assert.equal(seen.caller, svid.spiffeId)
        connections.add(seen.connection)
      }
      return [...(first?.connections ?? [])].some((connection) => second?.connections.has(connection))
    })
  })

  test('an expired certificate is denied, and the connection of the proxy stays open', async (t) => {
    const { workloads, service } = shared
    const svid = await workloads.intermediate.issue(workloads.callers.orders.spiffeId, { ttlSeconds: 5 })
    const short = shared.call(t, svid)
    const long = shared.call(t, workloads.callers.reports)
    const connections = new Set<number>()
    // Keeps the connections in use, because HAProxy closes idle ones.
    while (Date.now() <= svid.expiresAt - 500) {
      assert.equal((await short.call('/orders/1')).status, 200)
      connections.add(readSeen((await long.call('/')).text).connection)
      await setTimeout(50)
    }
    while (Date.now() <= svid.expiresAt + 1000) {
      assert.equal((await long.call('/')).status, 200)
      await setTimeout(50)
    }

    // Often, so that each connection carries a denied request.
    for (let index = 0; index < 20; index += 1) {
      assert.equal((await short.call('/orders/1')).status, 403)
      assert.equal((await long.call('/')).status, 200)
    }

    const open = [...connections].filter((connection) => !service.closed.has(connection))
    assert.notEqual(open.length, 0, `used ${[...connections].join()}, closed ${[...service.closed].join()}`)
  })

  test('a response in progress ends when the forwarded certificate expires, and others go on', async (t) => {
    const { workloads } = shared
    const svid = await workloads.intermediate.issue(workloads.callers.orders.spiffeId, { ttlSeconds: 5 })
    const short = await shared.call(t, svid).open('/stream')
    const long = await shared.call(t, workloads.callers.reports).open('/stream')
    assert.equal(short.statusCode, 200)
    assert.equal(long.statusCode, 200)
    let received = 0
    long.on('data', () => (received += 1)).on('error', () => undefined)

    await ended(short)

    assert.equal(Date.now() >= svid.expiresAt, true)
    const count = received
    await until('more of the other response', () => received > count)
    long.destroy()
  })

  test('no call fails while the SVID of the proxy is renewed and the old one expires', async (t) => {
    const setup = await setUp(proxy, 8)
    t.after(() => setup.close())
    const { workloads, running } = setup
    const { orders, reports } = workloads.callers
    // Several at a time, so that requests are on their way when the service announces that it closes a connection.
    const callers = Array.from({ length: 10 }, (_, index) => {
      const svid = index % 2 === 0 ? orders : reports
      return { svid, caller: setup.call(t, svid) }
    })
    const round = (): Promise<unknown> =>
      Promise.all(
        callers.map(async ({ svid, caller }) => {
          const { status, text } = await caller.call('/')
          assert.equal(status, 200, `${text}\n${running.output()}`)
          assert.equal(readSeen(text).caller, svid.spiffeId)
        }),
      )
    await round()
    await writeProxySvid(setup.folder, workloads)
    await running.reload()

    let count = 0
    while (Date.now() < setup.proxySvid.expiresAt + 2000) {
      await round()
      count += 1
    }

    assert.equal(count > 1, true)
  })
}

/** What a caller can send to claim another caller's certificate. */
function forgeries(svid: TestSvid): readonly SentHeaders[] {
  const headers = forge(svid)
  const twice = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value, value]]))
  return [headers, twice, ...Object.entries(headers).map(([name, value]) => ({ [name]: value }))]
}

/** The names of headers in which proxies state who their caller is. */
function readForwarded({ headers }: Pick<Seen, 'headers'>): readonly string[] {
  const known: readonly string[] = forwardingHeaders
  return headers.filter((name, index) => index % 2 === 0 && known.includes(name.toLowerCase()))
}

function ended(response: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => {
    response.on('error', () => undefined)
    response.once('close', resolve)
    response.resume()
  })
}
