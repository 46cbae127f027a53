import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http'
import { Agent, get } from 'node:https'
import { test } from 'node:test'
import { connectTls, createAgent, createDispatcher, createFetch, createTlsServer } from '@countersign/client'
import { CallError } from '@countersign/core'
import { LoopbackServer } from './loopback-server.ts'
import { billing, coreApi, portOf, saas } from './tls-pair.ts'

const source = await saas.source(coreApi)
const servers = [billing]

for (const [create, name, value] of [
  [createAgent, 'maxSockets', 0],
  [createAgent, 'maxSockets', -1],
  [createAgent, 'maxTotalSockets', Number.NaN],
  [createAgent, 'maxFreeSockets', '4'],
  [createAgent, 'timeout', -1],
  [createFetch, 'connections', 0],
  [createFetch, 'connections', '4'],
  [createFetch, 'headersTimeout', '5s'],
  [createDispatcher, 'bodyTimeout', -1],
] as const) {
  test(`${create.name} refuses ${name}: ${String(value)}`, () => {
    const options: { servers: readonly string[] } = Object.assign({ servers }, { [name]: value })
    assert.throws(() => create(source, options), { code: 'option_invalid' })
  })
}

test('accepts a limit that is disabled explicitly', () => {
  createAgent(source, { servers, maxSockets: Infinity }).destroy()
})

test('a closed fetch and a closed dispatcher report that they are closed', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = createFetch(source, { servers })
  await fetch.close()
  const expected = { code: 'call_unsuitable', reason: 'closed', server: `127.0.0.1:${server.port}` }
  await assert.rejects(fetch(server.url), expected)
  const dispatcher = createDispatcher(source, { servers })
  await dispatcher.destroy()
  await assert.rejects(dispatcher.request({ origin: server.url, path: '/', method: 'GET' }), expected)
})

test('an error names host and port, whichever client sends the request', async () => {
  const lost = await saas.source(coreApi)
  const fetch = createFetch(lost, { servers })
  lost.withdraw()
  await assert.rejects(fetch('https://billing.example/'), {
    code: 'own_certificate_missing',
    server: 'billing.example:443',
  })
  await assert.rejects(fetch('http://billing.example/'), { code: 'call_unsuitable', server: 'billing.example:80' })
  await fetch.close()
})

test('a TLS connection without a certificate of ours is a call that was not made', async () => {
  const lost = await saas.source(coreApi)
  lost.withdraw()
  const called = connectTls(lost, { servers, host: '127.0.0.1', port: 1 })
  await assert.rejects(called, { code: 'own_certificate_missing', reason: 'source_empty', server: '127.0.0.1:1' })
})

test('reports that a server does not speak TLS', async (context) => {
  const plain = createPlainServer().listen(0, '127.0.0.1')
  await once(plain, 'listening')
  context.after(() => plain.close())
  const error = await connectTls(source, { servers, host: '127.0.0.1', port: portOf(plain) }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof CallError)
  assert.equal(error.code, 'server_unreachable')
  assert.match(error.message, /is it an HTTP port\?$/)
})

for (const callers of [undefined, [], ['core-api'], { hasAuthorty: 'x' }]) {
  test(`createTlsServer refuses the callers ${JSON.stringify(callers)} under that option name`, () => {
    const options: object = { callers }
    assert.throws(
      () => Reflect.apply(createTlsServer, undefined, [source, options, () => undefined]),
      /createTlsServer: callers/,
    )
  })
}

test("a copy of an agent's options verifies servers, whatever the environment", async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing, { dnsNames: ['localhost'] }))
  const agent = createAgent(source, { servers })
  const copy = new Agent(agent.options)
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  context.after(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    agent.destroy()
    copy.destroy()
  })
  const errors: readonly unknown[] = await once(get(`https://localhost:${server.port}`, { agent: copy }), 'error')
  assert.equal(errors.length, 1)
  assert.equal(server.requests.length, 0)
})
