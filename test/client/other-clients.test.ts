import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { createAgent, createDispatcher } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import axios, { create } from 'axios'
import { got } from 'got'
import { type Dispatcher, interceptors, pipeline, request, RetryAgent, stream } from 'undici'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

type Client = (context: TestContext) => (url: string) => Promise<string>

const clients: readonly (readonly [name: string, client: Client])[] = [
  [
    'axios',
    (context) => {
      const client = create({ httpsAgent: agentFor(context), proxy: false })
      return async (url) => String((await client.get<unknown>(url)).data)
    },
  ],
  [
    'got',
    (context) => {
      const client = got.extend({ agent: { https: agentFor(context) } })
      return (url) => client(url, { retry: { limit: 0 } }).text()
    },
  ],
  [
    'request of undici',
    (context) => {
      const dispatcher = dispatcherFor(context)
      return async (url) => (await request(url, { dispatcher })).body.text()
    },
  ],
  [
    'stream of undici',
    (context) => {
      const dispatcher = dispatcherFor(context)
      return async (url) => {
        const chunks: Buffer[] = []
        const into = (): Writable =>
          new Writable({
            write(chunk: Buffer, _encoding, done) {
              chunks.push(chunk)
              done()
            },
          })
        await stream(url, { dispatcher, method: 'GET' }, into)
        return Buffer.concat(chunks).toString()
      }
    },
  ],
  [
    'pipeline of undici',
    (context) => {
      const dispatcher = dispatcherFor(context)
      return async (url) => {
        const chunks: Buffer[] = []
        const exchange = pipeline(url, { dispatcher, method: 'POST' }, ({ body }) => body)
        exchange.end('a body')
        for await (const chunk of exchange) chunks.push(Buffer.from(String(chunk)))
        return Buffer.concat(chunks).toString()
      }
    },
  ],
  [
    'an interceptor of undici',
    (context) => {
      const dispatcher = dispatcherFor(context).compose(interceptors.redirect({ maxRedirections: 1 }))
      return async (url) => (await request(url, { dispatcher })).body.text()
    },
  ],
]

for (const [name, client] of clients) {
  test(`${name} calls an expected server and follows a rotation`, async (context) => {
    const call = client(context)
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    assert.equal(await call(server.url), source.svid.serialNumber)
    source.replace({ svid: await saas.issue(coreApi) })
    assert.equal(await call(server.url), source.svid.serialNumber)
  })

  test(`${name} shows why a server was refused`, async (context) => {
    const server = await LoopbackServer.start(context, await saas.issue(coreApi))
    const error = await expectCallError(client(context)(server.url), { code: 'server_unexpected' })
    assert.equal(error.spiffeId, coreApi)
    assert.equal(server.requests.length, 0)
  })
}

test('axios and got expose the code of the error as their own', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(coreApi))
  const agent = agentFor(context)
  await assert.rejects(axios.get(server.url, { httpsAgent: agent, proxy: false }), { code: 'server_unexpected' })
  await assert.rejects(got(server.url, { agent: { https: agent } }).text(), { code: 'server_unexpected' })
})

test('a RetryAgent of undici does not retry a refused server', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(coreApi))
  const dispatcher = new RetryAgent(dispatcherFor(context), { maxRetries: 3, minTimeout: 1 })
  await expectCallError(request(server.url, { dispatcher }), { code: 'server_unexpected' })
  assert.equal(server.attempts, 1)
})

function agentFor(context: TestContext): ReturnType<typeof createAgent> {
  const agent = createAgent(source, { servers })
  context.after(() => agent.destroy())
  return agent
}

function dispatcherFor(context: TestContext): Dispatcher {
  const dispatcher = createDispatcher(source, { servers })
  context.after(() => dispatcher.destroy())
  return dispatcher
}
