import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connectTls, createAgent, createDispatcher, createFetch } from '@countersign/client'
import { createDialer } from '@countersign/core/adapter'
import type { X509Source } from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'
import { request } from 'undici'
import { LoopbackServer } from './loopback-server.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const saas = await createAuthority('saas.example')

/** Objects that follow a source, and how they are closed. */
const followers: readonly (readonly [
  name: string,
  open: (source: X509Source, server: LoopbackServer) => Promise<() => unknown>,
])[] = [
  [
    'createAgent',
    async (source) => {
      const agent = createAgent(source, { servers })
      return () => agent.destroy()
    },
  ],
  [
    'createFetch',
    async (source, { url }) => {
      const fetch = createFetch(source, { servers })
      await (await fetch(url)).text()
      return () => fetch.close()
    },
  ],
  [
    'createDispatcher, closed',
    async (source, { url }) => {
      const dispatcher = createDispatcher(source, { servers })
      await (await request(url, { dispatcher })).body.text()
      return () => dispatcher.close()
    },
  ],
  [
    'createDispatcher, destroyed',
    async (source, { url }) => {
      const dispatcher = createDispatcher(source, { servers })
      await (await request(url, { dispatcher })).body.text()
      return () => dispatcher.destroy()
    },
  ],
  [
    'connectTls',
    async (source, { port }) => {
      const socket = await connectTls(source, { servers, host: '127.0.0.1', port })
      return () => once(socket.destroy(), 'close')
    },
  ],
  [
    'connectTls that fails',
    async (source, { port }) => {
      const expected = ['spiffe://saas.example/nobody']
      await assert.rejects(connectTls(source, { servers: expected, host: '127.0.0.1', port }))
      return () => undefined
    },
  ],
  [
    'createDialer',
    async (source) => {
      const dialer = createDialer(source, { servers }, 'test')
      return () => dialer.close()
    },
  ],
]

for (const [name, open] of followers) {
  test(`${name} leaves no listener at its source after it is closed`, async (context) => {
    const counted = countListeners(await saas.source(coreApi))
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    for (let round = 0; round < 3; round += 1) {
      const end = await open(counted.source, server)
      if (name !== 'connectTls that fails') assert.equal(counted.count(), 2)
      await end()
      assert.equal(counted.count(), 0)
    }
  })
}

test('closing a dispatcher waits for retired connections, and destroying it closes them', async (context) => {
  for (const routing of ['close', 'destroy'] as const) {
    const source = await saas.source(coreApi)
    const dispatcher = createDispatcher(source, { servers })
    let answer = (): void => undefined
    const server = await LoopbackServer.start(context, await saas.issue(billing), (_request, response) => {
      answer = () => response.end('late')
    })
    const running = request(server.url, { dispatcher }).then(({ body }) => body.text())
    const outcome = running.catch(() => 'ended')
    await until(() => server.requests.length === 1)
    source.replace({ svid: await saas.issue(coreApi) })
    let isEnded = false
    const ended = dispatcher[routing]().then(() => (isEnded = true))
    if (routing === 'close') {
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(isEnded, false)
      answer()
    }
    await ended
    assert.equal(await outcome, routing === 'close' ? 'late' : 'ended')
    await until(() => server.connections === 0)
    await assert.rejects(request(server.url, { dispatcher }), { code: 'call_unsuitable', reason: 'closed' })
  }
})

function countListeners(source: TestSource): { readonly source: X509Source; count(): number } {
  let listeners = 0
  const counted = (stop: () => void): (() => void) => {
    let isOpen = true
    listeners += 1
    return () => {
      if (isOpen) listeners -= 1
      isOpen = false
      stop()
    }
  }
  const wrapped: X509Source = {
    get current() {
      return source.current
    },
    onUpdate: (listener) => counted(source.onUpdate(listener)),
    onNotice: (listener) => counted(source.onNotice?.(listener) ?? (() => undefined)),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
  return { source: wrapped, count: () => listeners }
}
