import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createAgent, createDispatcher, createFetch } from '@countersign/client'
import { SourceError, type X509Source } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { greet, LoopbackServer } from './loopback-server.ts'
import { withLife } from '../support/with-life.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]
const missing = { code: 'own_certificate_missing', reason: 'source_empty' } as const

const saas = await createAuthority('saas.example')

for (const [routing, sender] of senders) {
  test(`${routing}: without a certificate of our own, aborts running calls and makes no new ones until there is one`, async (context) => {
    const source = await saas.source(coreApi)
    const send = sender(context, source, servers)
    const server = await LoopbackServer.start(context, await saas.issue(billing), (request, response) => {
      if (request.url === '/slow') response.write('a beginning')
      else if (request.url !== '/silent') greet(request, response)
    })
    const silent = expectCallError(send(`${server.url}/silent`), missing)
    const slow = expectCallError(send(`${server.url}/slow`).then(text), missing)
    await until(() => server.requests.length === 2)
    await text(await send(server.url))
    source.withdraw()
    await Promise.all([silent, slow])
    await expectCallError(send(server.url), missing)
    await until(() => server.connections === 0)
    await expectCallError(send(server.url), missing)
    assert.equal(server.requests.length, 3)
    source.replace({ svid: await saas.issue(coreApi) })
    assert.equal(await text(await send(server.url)), source.svid.serialNumber)
  })

  test(`${routing}: makes no call after our own certificate has expired, even on kept connections`, (context) =>
    withLife(2, async (life) => {
      const source = await saas.source(coreApi, { ttlSeconds: life.seconds })
      const send = sender(context, source, servers)
      const server = await LoopbackServer.start(context, await saas.issue(billing))
      await text(await send(server.url))
      life.begun()
      await until(() => Date.now() > source.svid.expiresAt + 1000)
      const gone = { code: 'own_certificate_missing', reason: 'source_expired' } as const
      await expectCallError(send(server.url), gone)
      await until(() => server.connections === 0)
      assert.equal(server.requests.length, 1)
      source.replace({ svid: await saas.issue(coreApi) })
      assert.equal(await text(await send(server.url)), source.svid.serialNumber)
    }))

  test(`${routing}: works with a source that only reports new material`, async (context) => {
    const full = await saas.source(coreApi)
    const bare: X509Source = {
      get current() {
        return full.current
      },
      onUpdate: (listener) => full.onUpdate(listener),
      close: () => full.close(),
      [Symbol.asyncDispose]: () => full.close(),
    }
    const send = sender(context, bare, servers)
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    await text(await send(server.url))
    full.replace({ svid: await saas.issue(coreApi) })
    assert.equal(await text(await send(server.url)), full.svid.serialNumber)
    // Not reported; the next request detects it.
    full.withdraw()
    await expectCallError(send(server.url), missing)
    assert.equal(server.requests.length, 2)
    full.replace({ svid: await saas.issue(coreApi) })
    assert.equal(await text(await send(server.url)), full.svid.serialNumber)
  })
}

const creations: readonly (readonly [name: string, create: (source: X509Source) => unknown])[] = [
  ['createAgent', (source) => createAgent(source, { servers })],
  ['createFetch', (source) => createFetch(source, { servers })],
  ['createDispatcher', (source) => createDispatcher(source, { servers })],
]

for (const [name, create] of creations) {
  test(`${name} does not start with a source that has no material`, async () => {
    const source = await saas.source(coreApi)
    source.withdraw()
    await assert.rejects(
      async () => create(source),
      (error) => {
        assert.ok(error instanceof SourceError, String(error))
        assert.equal(error.code, 'source_empty')
        return true
      },
    )
  })
}
