import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, describe } from 'node:test'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { createCaller, type Answer, type SentHeaders } from './caller.ts'
import { isStated } from './configuration.ts'
import { findPort, until } from './program.ts'
import { forge, forwardingHeaders, type Proxy, type RunningProxy } from './proxy.ts'
import { type Recorded, type Recorder, startRecorder } from './recorder.ts'
import {
  type CallerName,
  createWorkloads,
  proxyId,
  type Workloads,
  writeProxyFiles,
  writeProxySvid,
} from './workloads.ts'

/** Tests for every proxy: its configuration sends and removes exactly what the page says. */
export function testProxy(proxy: Proxy): void {
  describe(`${proxy.name}, as the page configures it,`, { timeout: 180_000 }, () => testSent(proxy))
}

function testSent(proxy: Proxy): void {
  let workloads: Workloads
  let recorder: Recorder
  let running: RunningProxy
  let port: number
  const folder = mkdtempSync(join(tmpdir(), 'countersign-proxy-'))

  before(async () => {
    workloads = await createWorkloads()
    recorder = await startRecorder(workloads)
    await writeProxyFiles(folder, workloads)
    port = await findPort()
    running = await proxy.start({ folder, port, servicePort: recorder.port })
  })
  after(async () => {
    await running?.stop()
    await recorder?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function call(svid: TestSvid | null, headers?: SentHeaders, path = '/'): Promise<Answer> {
    const caller = createCaller({ port, svid, ca: workloads.publicAuthority.bundlePem })
    try {
      return await caller.call(path, headers)
    } finally {
      caller.close()
    }
  }

  async function record(svid: TestSvid | null, headers?: SentHeaders, path?: string): Promise<Recorded> {
    const answer = await call(svid, headers, path)
    assert.equal(answer.status, 200, `${answer.text}\n${running.output()}`)
    const recorded = recorder.requests.pop()
    assert.ok(recorded !== undefined, 'a request was recorded')
    return recorded
  }

  test('needs the format that the page states', () => assert.equal(isStated(proxy.format), true))

  const names: readonly CallerName[] = ['orders', 'reports', 'evil', 'utf', 'staging', 'neighbour']
  for (const name of names) {
    test(`sends the certificate of ${name}, and no header that the caller forged`, async () => {
      const svid = workloads.callers[name]
      const forged = forge(workloads.callers.orders)

      for (const headers of [{}, forged, twice(forged), hopByHop(forged)]) {
        const recorded = await record(svid, headers)

        assert.deepEqual(readForwarded(recorded), proxy.forwards(svid))
      }
    })
  }

  test('sends nothing for a caller without a certificate, and no header that it forged', async () => {
    const forged = forge(workloads.callers.orders)

    for (const headers of [{}, forged, twice(forged), empty(forged), hopByHop(forged)]) {
      const recorded = await record(null, headers)

      assert.deepEqual(readForwarded(recorded), {})
    }
  })

  test('sends the target as the caller sent it', async () => {
    const target = '/a%2Fb//%41/.%2e/c;d?e=/../f%00'

    const recorded = await record(workloads.callers.orders, {}, target)

    assert.equal(recorded.target, target)
  })

  test('presents its own SVID to the service, over the HTTP version of the page', async () => {
    const recorded = await record(workloads.callers.orders)

    assert.equal(recorded.peer, `URI:${proxyId}`)
    assert.equal(recorded.httpVersion, proxy.httpVersion)
  })

  test('presents its new SVID on new connections after a rotation, without a failed call', async () => {
    const svid = await writeProxySvid(folder, workloads)
    await running.reload()

    await until('a request under the new SVID', async () => {
      recorder.closeConnections()
      const recorded = await record(workloads.callers.orders)
      return recorded.serialNumber === svid.serialNumber
    })
  })

  test('does not forward a request with a certificate that it cannot verify', async () => {
    const stranger = await createAuthority('saas.example')
    const bad = [
      await stranger.issue('spiffe://saas.example/ns/production/sa/orders'),
      await workloads.authority.issue('spiffe://saas.example/ns/production/sa/orders', { faults: ['expired'] }),
    ]
    const count = recorder.requests.length

    for (const svid of bad) {
      const answer = await call(svid).catch((error: unknown) => error)

      assert.ok(answer instanceof Error || (isAnswer(answer) && answer.status === 400), JSON.stringify(answer))
    }
    assert.equal(recorder.requests.length, count)
  })

  test('sends the same for a caller that resumes its TLS session', async () => {
    const svid = workloads.callers.orders
    const ca = workloads.publicAuthority.bundlePem
    const first = createCaller({ port, svid, ca })
    await first.call('/')
    const session = first.session()
    first.close()
    const second = createCaller({ port, svid, ca, ...(session === undefined ? {} : { session }) })

    const answer = await second.call('/')

    second.close()
    assert.equal(answer.status, 200)
    const recorded = recorder.requests.pop()
    assert.deepEqual(recorded && readForwarded(recorded), proxy.forwards(svid))
  })

  for (const [what, other] of [
    ['a workload of another authority', 'stranger'],
    ['another workload of the trust domain', 'neighbour'],
  ] as const) {
    test(`does not send a request to ${what} in place of the service`, async (t) => {
      const wrong = await startRecorder(workloads, other)
      const elsewhere = mkdtempSync(join(tmpdir(), 'countersign-proxy-'))
      await writeProxyFiles(elsewhere, workloads)
      const place = { folder: elsewhere, port: await findPort(), servicePort: wrong.port }
      const misled = await proxy.start(place)
      t.after(async () => {
        await misled.stop()
        await wrong.close()
        rmSync(elsewhere, { recursive: true })
      })
      const caller = createCaller({
        port: place.port,
        svid: workloads.callers.orders,
        ca: workloads.publicAuthority.bundlePem,
      })

      const answer = await caller.call('/')

      caller.close()
      assert.ok([502, 503].includes(answer.status), `${answer.status} ${answer.text}`)
      assert.equal(wrong.requests.length, 0)
    })
  }
}

function readForwarded({ headers }: Recorded): Readonly<Record<string, string>> {
  const known: readonly string[] = forwardingHeaders
  const found = headers.filter(([name]) => known.includes(name))
  assert.equal(new Set(found.map(([name]) => name)).size, found.length, 'no header is repeated')
  return Object.fromEntries(found)
}

function twice(headers: Readonly<Record<string, string>>): SentHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value, value]]))
}

/** Declares the headers as meant for the proxy alone (RFC 9110 §7.6.1), so that it may remove its own, too. */
function hopByHop(headers: Readonly<Record<string, string>>): SentHeaders {
  return { ...headers, connection: ['keep-alive', ...forwardingHeaders].join(', ') }
}

function empty(headers: Readonly<Record<string, string>>): SentHeaders {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, '']))
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'status' in value
}
