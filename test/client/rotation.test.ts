import assert from 'node:assert/strict'
import { get } from 'node:https'
import { createServer, connect as connectSocket } from 'node:net'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createAgent } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { callers, senders } from './callers.ts'
import { createBarrier } from './barrier.ts'
import { callerOf, LoopbackServer } from './loopback-server.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

const saas = await createAuthority('saas.example')

for (const [routing, sender] of senders) {
  test(`${routing}: the next request presents the new SVID, and the old idle connection closes immediately`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    const old = source.svid.serialNumber
    assert.equal(await text(await send(server.url)), old)
    assert.equal(server.connections, 1)
    source.replace({ svid: await saas.issue(coreApi) })
    await until(() => server.connections === 0)
    assert.notEqual(source.svid.serialNumber, old)
    for (let count = 0; count < 3; count += 1) {
      assert.equal(await text(await send(server.url)), source.svid.serialNumber)
    }
  })

  test(`${routing}: a request that waits for its response continues, and its connection closes afterwards`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const slow = new SlowAnswers()
    const server = await LoopbackServer.start(context, await saas.issue(billing), slow.listener)
    const old = source.svid.serialNumber
    const running = send(`${server.url}/slow`)
    await until(() => slow.waiting.length === 1)
    source.replace({ svid: await saas.issue(coreApi) })
    assert.equal(await text(await send(server.url)), source.svid.serialNumber)
    assert.equal(server.connections, 2)
    slow.waiting[0]?.end(`slow ${old}`)
    assert.equal(await text(await running), `slow ${old}`)
    await until(() => server.sockets.every((socket) => callerOf({ socket }) !== old))
    assert.equal(await text(await send(server.url)), source.svid.serialNumber)
  })

  test(`${routing}: request and response bodies in transit during a rotation are complete`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing), (request, response) => {
      response.write('>')
      request.pipe(response)
    })
    const rotated = createBarrier()
    async function* parts(): AsyncGenerator<string> {
      yield 'before '
      await rotated.opened
      for (let count = 0; count < 100; count += 1) yield 'x'.repeat(10_000)
    }
    const answer = await send(server.url, { method: 'POST', body: parts() })
    source.replace({ svid: await saas.issue(coreApi) })
    rotated.open()
    const echoed = await text(answer)
    assert.equal(echoed.length, '>before '.length + 1_000_000)
    await until(() => server.connections === 0)
    assert.equal(server.requests.length, 1)
  })

  test(`${routing}: none of 200 requests fails during 20 rotations`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing), (request, response) => {
      setTimeout(() => response.end(callerOf(request)), 3)
    })
    const svids = await Promise.all(Array.from({ length: 20 }, () => saas.issue(coreApi)))
    let left = 200
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        if (left % 10 === 0) source.replace({ svid: svids[left / 10] ?? source.svid })
        assert.notEqual(await text(await send(server.url)), '')
      }
    }
    await Promise.all(Array.from({ length: 5 }, worker))
    assert.equal(server.requests.length, 200)
    assert.equal(await text(await send(server.url)), source.svid.serialNumber)
    await until(() => server.connections <= 5)
  })
}

for (const [routing, caller] of callers) {
  test(`${routing}: a connection created during a rotation carries only its own request`, async (context) => {
    const source = await saas.source(coreApi)
    const call = caller(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    const old = source.svid.serialNumber
    const delayed = await delayHandshake(context, server)
    const during = call(delayed.url)
    await delayed.begun
    source.replace({ svid: await saas.issue(coreApi) })
    delayed.release()
    assert.equal(await during, old)
    assert.equal(await call(delayed.url), source.svid.serialNumber)
    assert.equal(await call(delayed.url), source.svid.serialNumber)
    await until(() => server.sockets.every((socket) => callerOf({ socket }) !== old))
  })
}

test('agent: requests that wait for the only allowed connection are sent with the new SVID', async (context) => {
  const source = await saas.source(coreApi)
  const agent = createAgent(source, { servers: [billing], maxSockets: 1 })
  context.after(() => agent.destroy())
  const slow = new SlowAnswers()
  const server = await LoopbackServer.start(context, await saas.issue(billing), slow.listener)
  const call = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get(`${server.url}${path}`, { agent }, (response) => resolve(text(response))).on('error', reject)
    })
  assert.equal(await call('/'), source.svid.serialNumber)
  const running = call('/slow')
  const waiting = [call('/1'), call('/2'), call('/3')]
  await until(() => slow.waiting.length === 1)
  assert.equal(server.requests.length, 2)
  source.replace({ svid: await saas.issue(coreApi) })
  slow.waiting[0]?.end('slow')
  assert.equal(await running, 'slow')
  const { serialNumber } = source.svid
  assert.deepEqual(await Promise.all(waiting), [serialNumber, serialNumber, serialNumber])
  assert.equal(server.handshakes, 2)
})

/** Responses of `/slow` that wait for the test. */
class SlowAnswers {
  readonly waiting: ServerResponse[] = []
  readonly listener: RequestListener = (request, response) => {
    if (request.url === '/slow') this.waiting.push(response)
    else response.end(callerOf(request))
  }
}

/** A proxy in front of a server that delays responses on the first connection until it is released. */
async function delayHandshake(
  context: { after(end: () => void): void },
  { port }: LoopbackServer,
): Promise<{ readonly url: string; readonly begun: Promise<void>; release(): void }> {
  const begun = createBarrier()
  const released = createBarrier()
  const between = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1')
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.pipe(far)
    begun.open()
    void released.opened.then(() => far.pipe(near))
    near.once('close', () => far.destroy())
    far.once('close', () => near.destroy())
    context.after(() => near.destroy())
  })
  between.listen(0, '127.0.0.1')
  await once(between, 'listening')
  context.after(() => between.close())
  const address = between.address()
  const opened = address !== null && typeof address === 'object' ? address.port : 0
  return { url: `https://127.0.0.1:${opened}`, begun: begun.opened, release: () => released.open() }
}
