import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { connectTls, createAgent, createDispatcher, createFetch } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { request } from 'undici'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

/** What listens on a port without a TLS server. */
const ports: readonly (readonly [
  what: string,
  serve: ((socket: Socket) => void) | undefined,
  reason: string | undefined,
])[] = [
  ['there is no listener', undefined, 'ECONNREFUSED'],
  ['the server does not speak TLS', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'), undefined],
  ['the server closes the connection immediately', (socket) => socket.end(), 'ECONNRESET'],
  ['the server resets the connection', (socket) => socket.destroy(), 'ECONNRESET'],
  ['the server closes during the handshake', (socket) => socket.once('data', () => socket.end()), 'ECONNRESET'],
  [
    'the server sends half a record',
    (socket) => socket.end(Buffer.from([0x16, 0x03, 0x03, 0x00, 0x40, 0x02])),
    'ECONNRESET',
  ],
]

for (const [routing, sender] of senders) {
  for (const [what, serve, reason] of ports) {
    test(`${routing}: fails the call if ${what}`, async (context) => {
      const send = sender(context, source, servers)
      const port = await listen(context, serve)
      const expected = { code: 'server_unreachable', ...(reason !== undefined && { reason }) } as const
      const error = await expectCallError(send(`https://127.0.0.1:${port}`), expected)
      assert.equal(error.server, `127.0.0.1:${port}`)
    })
  }

  test(`${routing}: fails the call for an unknown host`, async (context) => {
    const error = await expectCallError(sender(context, source, servers)('https://nowhere.invalid:8443'), {
      code: 'server_unreachable',
    })
    assert.match(error.reason, /^(ENOTFOUND|EAI_AGAIN)$/)
    assert.equal(error.server, 'nowhere.invalid:8443')
  })

  test(`${routing}: fails the call if the server does not support TLS 1.3`, async (context) => {
    const server = await LoopbackServer.start(context, await saas.issue(billing), undefined, { maxVersion: 'TLSv1.2' })
    await expectCallError(sender(context, source, servers)(server.url), { code: 'server_unreachable' })
    assert.equal(server.requests.length, 0)
  })

  test(`${routing}: a call whose certificate the server rejects fails once`, async (context) => {
    const other = await createAuthority('other.example')
    const options = { requestCert: true, rejectUnauthorized: true, ca: other.bundlePem }
    let attempts = 0
    const server = await LoopbackServer.start(context, await saas.issue(billing), undefined, options)
    server.onRefusedHandshake(() => (attempts += 1))
    await assert.rejects(sender(context, source, servers)(server.url))
    assert.equal(attempts, 1)
    assert.equal(server.requests.length, 0)
  })
}

const timed: readonly (readonly [routing: string, call: (context: TestContext, port: number) => Promise<unknown>])[] = [
  [
    'agent',
    (context, port) => {
      const agent = createAgent(source, { servers, timeoutMs: 50 })
      context.after(() => agent.destroy())
      return getText(`https://127.0.0.1:${port}`, agent)
    },
  ],
  [
    'fetch',
    (context, port) => {
      const fetch = createFetch(source, { servers, timeoutMs: 50 })
      context.after(() => fetch.close())
      return fetch(`https://127.0.0.1:${port}`)
    },
  ],
  [
    'dispatcher',
    (context, port) => {
      const dispatcher = createDispatcher(source, { servers, timeoutMs: 50 })
      context.after(() => dispatcher.destroy())
      return request(`https://127.0.0.1:${port}`, { dispatcher })
    },
  ],
  ['connectTls', (_context, port) => connectTls(source, { servers, timeoutMs: 50, host: '127.0.0.1', port })],
]

for (const [routing, call] of timed) {
  test(`${routing}: gives up after timeoutMs if a server does not answer`, async (context) => {
    let ended = 0
    const port = await listen(context, (socket) => socket.once('close', () => (ended += 1)).resume())
    await expectCallError(call(context, port), { code: 'server_unreachable', reason: 'ETIMEDOUT' })
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(ended <= 1)
  })
}

test('agent: a burst of requests opens at most maxSockets connections', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  for (const limit of [{ maxSockets: 2 }, { maxTotalSockets: 2 }]) {
    const agent = createAgent(source, { servers, ...limit })
    context.after(() => agent.destroy())
    const before = server.handshakes
    await Promise.all(Array.from({ length: 10 }, () => getText(server.url, agent)))
    assert.equal(server.handshakes - before, 2)
  }
})

test('agent: each request that waits for a connection fails with its own error if none can be opened', async (context) => {
  const agent = createAgent(source, { servers, maxSockets: 1 })
  context.after(() => agent.destroy())
  const port = await listen(context, undefined)
  const calls = Array.from({ length: 4 }, () => getText(`https://127.0.0.1:${port}`, agent))
  await Promise.all(calls.map((call) => expectCallError(call, { code: 'server_unreachable', reason: 'ECONNREFUSED' })))
  assert.deepEqual([Object.keys(agent.requests), Object.keys(agent.sockets)], [[], []])
})

test('agent: destroying the agent aborts connections in progress', async (context) => {
  const agent = createAgent(source, { servers })
  const accepted: Socket[] = []
  const port = await listen(context, (socket) => accepted.push(socket.resume()))
  const failing = expectCallError(getText(`https://127.0.0.1:${port}`, agent), { code: 'server_unreachable' })
  while (accepted[0] === undefined) await new Promise((resolve) => setImmediate(resolve))
  const closed = once(accepted[0], 'close')
  agent.destroy()
  await Promise.all([failing, closed])
})

function getText(url: string, agent: ReturnType<typeof createAgent>): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => resolve(text(response))).on('error', reject)
  })
}

/** The port of a server without TLS; without `serve`, a port that was closed again. */
async function listen(context: TestContext, serve: ((socket: Socket) => void) | undefined): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    serve?.(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  if (serve === undefined) {
    server.close()
    await once(server, 'close')
  }
  context.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return port
}
