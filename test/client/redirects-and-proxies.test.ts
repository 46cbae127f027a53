import assert from 'node:assert/strict'
import { request as requestHttps, type RequestOptions } from 'node:https'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { createAgent, createDispatcher, createFetch } from '@countersign/client'
import { ConfigurationError } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { Agent, request } from 'undici'
import { callers } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const ledger = 'spiffe://saas.example/ns/production/sa/ledger'
const unsuitable = { code: 'call_unsuitable' } as const

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

test('fetch follows redirects only to other listed servers', async (context) => {
  const fetch = createFetch(source, { servers: [billing, ledger] })
  context.after(() => fetch.close())
  const known = await LoopbackServer.start(context, await saas.issue(ledger))
  const unknown = await LoopbackServer.start(context, await saas.issue(coreApi))
  let target = known.url
  const server = await LoopbackServer.start(context, await saas.issue(billing), (_request, response) => {
    response.writeHead(307, { location: target }).end()
  })
  const post = { method: 'POST', body: 'an invoice' }
  assert.equal(await (await fetch(server.url, post)).text(), source.svid.serialNumber)
  target = unknown.url
  await expectCallError(fetch(server.url, post), { code: 'server_unexpected', reason: 'server_unexpected' })
  assert.deepEqual([known.requests.length, unknown.requests.length], [1, 0])
})

test('fetch follows no redirect that leaves TLS', async (context) => {
  const fetch = createFetch(source, { servers: [billing] })
  context.after(() => fetch.close())
  const plain = await listenPlain(context)
  const server = await LoopbackServer.start(context, await saas.issue(billing), (_request, response) => {
    response.writeHead(302, { location: plain.url }).end()
  })
  await expectCallError(fetch(server.url), unsuitable)
  assert.equal(plain.count(), 0)
})

test('refuses a URL without TLS', async (context) => {
  const plain = await listenPlain(context)
  for (const [routing, caller] of callers) {
    const call = caller(context, source, [billing])(plain.url)
    // The agent itself refuses it, because it is an HTTPS agent.
    if (routing === 'agent') await assert.rejects(call, { code: 'ERR_INVALID_PROTOCOL' })
    else await expectCallError(call, unsuitable)
  }
  assert.equal(plain.count(), 0)
})

test('fetch refuses a dispatcher, which would choose the server', async (context) => {
  const fetch = createFetch(source, { servers: [billing] })
  context.after(() => fetch.close())
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  await assert.rejects(fetch(server.url, { dispatcher: new Agent() }), isConfigurationError)
  assert.equal(server.handshakes, 0)
})

test('refuses CONNECT, even on kept connections', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const dispatcher = createDispatcher(source, { servers: [billing] })
  context.after(() => dispatcher.destroy())
  await expectCallError(dispatcher.connect({ origin: server.url, path: 'elsewhere:443' }), unsuitable)
  await assert.rejects(request(server.url, { dispatcher, method: 'CONNECT' }), { code: 'UND_ERR_INVALID_ARG' })
  const send = sendByAgent(context)
  await send(server, {})
  await expectCallError(send(server, { method: 'CONNECT', path: 'elsewhere:443' }), unsuitable)
  assert.equal(server.requests.length, 1)
})

/** Options that would change whom a request of the agent trusts, or our identity. */
const decided: readonly (readonly [name: string, options: RequestOptions])[] = [
  ['ca', { ca: saas.bundlePem }],
  ['cert', { cert: saas.certificatePem }],
  ['key', { key: saas.keyPem }],
  ['pfx', { pfx: Buffer.from('') }],
  ['passphrase', { passphrase: 'secret' }],
  ['checkServerIdentity', { checkServerIdentity: () => undefined }],
  ['rejectUnauthorized: false', { rejectUnauthorized: false }],
]

for (const [name, options] of decided) {
  test(`agent: refuses a request with ${name}, with and without a kept connection`, async (context) => {
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    const send = sendByAgent(context)
    await expectCallError(send(server, options), unsuitable)
    await send(server, {})
    await expectCallError(send(server, options), unsuitable)
    assert.deepEqual([server.handshakes, server.requests.length], [1, 1])
  })
}

for (const option of ['proxy', 'proxyEnv', 'httpProxy', 'httpsProxy']) {
  test(`refuses the option ${option} at startup`, () => {
    const options = { servers: [billing], [option]: 'http://127.0.0.1:1' }
    for (const create of [createAgent, createFetch, createDispatcher]) {
      assert.throws(() => create(source, options), isConfigurationError)
    }
  })
}

test('the environment does not affect which server is called', async (context) => {
  const plain = await listenPlain(context)
  const names = [
    'HTTPS_PROXY',
    'https_proxy',
    'HTTP_PROXY',
    'ALL_PROXY',
    'NODE_USE_ENV_PROXY',
    'NODE_TLS_REJECT_UNAUTHORIZED',
  ]
  const before = new Map(names.map((name) => [name, process.env[name]]))
  context.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  })
  for (const name of names) process.env[name] = name.startsWith('NODE') ? '1' : plain.url
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  const good = await LoopbackServer.start(context, await saas.issue(billing))
  const bad = await LoopbackServer.start(context, await (await createAuthority('saas.example')).issue(billing))
  for (const [, caller] of callers) {
    const call = caller(context, source, [billing])
    assert.equal(await call(good.url), source.svid.serialNumber)
    await expectCallError(call(bad.url), { code: 'server_untrusted' })
    const byHost = caller(context, source, { dns: true, ca: saas.bundlePem })
    await expectCallError(byHost(bad.url), { code: 'server_untrusted' })
  }
  assert.deepEqual([plain.count(), bad.requests.length], [0, 0])
})

function isConfigurationError(error: unknown): boolean {
  return error instanceof ConfigurationError && error.code === 'option_invalid'
}

function sendByAgent(context: TestContext): (server: LoopbackServer, options: RequestOptions) => Promise<string> {
  const agent = createAgent(source, { servers: [billing] })
  context.after(() => agent.destroy())
  return (server, options) =>
    new Promise((resolve, reject) => {
      const outgoing = requestHttps(server.url, { ...options, agent }, (response) => resolve(text(response)))
      outgoing
        .on('connect', () => reject(new Error('connected')))
        .on('error', reject)
        .end()
    })
}

async function listenPlain(context: TestContext): Promise<{ readonly url: string; count(): number }> {
  let connections = 0
  const server = createServer((_request, response) => response.end('plain')).on('connection', () => (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, count: () => connections }
}
