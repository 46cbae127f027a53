import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { greet, LoopbackServer } from './loopback-server.ts'
import { withLife } from '../support/with-life.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const expired = { code: 'server_untrusted', reason: 'identity_expired' } as const

const saas = await createAuthority('saas.example')
const successor = await createAuthority('saas.example')

// How far a response has progressed when the server's certificate expires.
const endings: readonly (readonly [what: string, begin: RequestListener])[] = [
  ['before it responds', () => undefined],
  ['in the middle of a chunked body', (_request, response) => response.write('a beginning')],
  [
    'in the middle of a body of known length',
    (_request, response) => response.writeHead(200, { 'content-length': '100' }).write('a beginning'),
  ],
  [
    'in the middle of a body that ends with its connection',
    (_request, response) => {
      response.useChunkedEncodingByDefault = false
      response.shouldKeepAlive = false
      response.writeHead(200, { connection: 'close' }).write('a beginning')
    },
  ],
]

for (const [routing, sender] of senders) {
  test(`${routing}: does not reuse a kept connection shortly before the server's certificate expires`, (context) =>
    withLife(
      9,
      async (life) => {
        const send = sender(context, await saas.source(coreApi), [billing])
        // The last tenth of its lifetime starts in two seconds and lasts seven.
        const notBefore = Date.now() - 61_000 * life.scale
        const short = await saas.issue(billing, { ttlSeconds: life.seconds, notBefore })
        const server = await LoopbackServer.start(context, short)
        await text(await send(server.url))
        assert.equal(server.connections, 1)
        life.begun()
        await until(() => server.connections === 0)
        assert.ok(Date.now() < short.expiresAt)
        server.show(await saas.issue(billing))
        await text(await send(server.url))
        assert.equal(server.handshakes, 2)
      },
      1,
    ))

  test(`${routing}: does not reuse a kept connection after the clock was set past the server certificate's expiry`, async (context) => {
    const send = sender(context, await saas.source(coreApi, { ttlSeconds: 36_000 }), [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    await text(await send(server.url))
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_700_000 })
    // Some first try another address, whose server has the same certificate.
    await expectCallError(send(server.url), { code: 'server_untrusted' })
    assert.equal(server.requests.length, 1)
  })

  test(`${routing}: fails running calls and closes kept connections when the server's authority is withdrawn`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing), (request, response) => {
      if (request.url === '/slow') response.write('a beginning')
      else greet(request, response)
    })
    const running = readAll(send(`${server.url}/slow`))
    await until(() => server.requests.length === 1)
    await text(await send(server.url))
    assert.equal(server.connections, 2)
    const failing = expectCallError(running, { code: 'server_untrusted', reason: 'signature_invalid' })
    source.replace({ svid: await successor.issue(coreApi), bundles: { 'saas.example': successor } })
    await failing
    await until(() => server.connections === 0)
    await expectCallError(send(server.url), { code: 'server_untrusted', reason: 'signature_invalid' })
    assert.equal(server.requests.length, 2)
  })

  test(`${routing}: keeps a connection when new bundles still contain the server's authority`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, [billing])
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    await text(await send(server.url))
    source.replace({ bundles: { 'saas.example': [saas, successor] } })
    await text(await send(server.url))
    source.replace({ bundles: { 'saas.example': [saas] } })
    await text(await send(server.url))
    assert.equal(server.connections, server.handshakes)
  })
}

describe('a certificate that expires', { concurrency: true }, () => {
  for (const [routing, sender] of senders) {
    for (const [what, begin] of endings) {
      test(`${routing}: fails a request whose server's certificate expires ${what}`, (context) =>
        withLife(2, async (life) => {
          const send = sender(context, await saas.source(coreApi), [billing])
          const short = await saas.issue(billing, { ttlSeconds: life.seconds })
          const server = await LoopbackServer.start(context, short, begin)
          const failing = expectCallError(readAll(send(server.url)), expired)
          failing.catch(() => undefined)
          await until(() => server.requests.length === 1 || life.isLate())
          life.begun()
          await failing
          await until(() => server.connections === 0)
          assert.equal(server.requests.length, 1)
        }))
    }
  }
})

async function readAll(answer: Promise<AsyncIterable<unknown>>): Promise<void> {
  for await (const chunk of await answer) assert.ok(chunk !== undefined)
}
