import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectTls } from '@countersign/client'
import { createAuthority, createKey, type TestSource } from '@countersign/testkit'
import { createCollisions } from '../connection/collisions.ts'
import { withForeignKey } from '../connection/foreign-key.ts'
import { callers } from './callers.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const theirApi = 'spiffe://partner.example/ns/production/sa/core-api'
const ours = await createAuthority('saas.example')
const lower = await ours.intermediate()
const own = [
  await ours.issue(coreApi),
  await ours.issue(coreApi, { keyIdentifiers: false }),
  await lower.issue(coreApi),
  await lower.issue(coreApi, { keyIdentifiers: false }),
]

async function connect(source: TestSource, servers: readonly string[], { port }: LoopbackServer): Promise<string> {
  const socket = await connectTls(source, { servers, host: '127.0.0.1', port })
  socket.destroy()
  return socket.principal?.name ?? ''
}

describe('with servers of several trust domains only our verifier checks a chain', () => {
  test('a partner authority with the name of ours blocks none of our servers, and none of its own servers pass as ours', async (context) => {
    for (const { name, partner } of await createCollisions(ours, lower)) {
      const source = await ours.source(billing, { federated: [partner] })
      const servers = [coreApi, theirApi]
      const calls = callers.map(([, caller]) => caller(context, source, servers))
      for (const svid of own) {
        const server = await LoopbackServer.start(context, svid)
        assert.equal(await connect(source, servers, server), coreApi, name)
        assert.equal(await connect(source, [coreApi], server), coreApi, name)
        for (const call of calls) assert.equal(await call(server.url), source.svid.serialNumber, name)
      }
      const theirs = await LoopbackServer.start(context, await partner.issue(theirApi, { keyIdentifiers: false }))
      assert.equal(await connect(source, servers, theirs), theirApi, name)
      const forged = await partner.issue(theirApi, { keyIdentifiers: false, uris: [coreApi] })
      const impostor = await LoopbackServer.start(context, forged)
      await assert.rejects(connect(source, servers, impostor), { code: 'server_untrusted' }, name)
    }
  })

  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`refuses in the handshake a certificate that is presented without its key (${maxVersion})`, async (context) => {
      const partner = await createAuthority('partner.example')
      const source = await ours.source(billing, { federated: [partner] })
      const stolen = withForeignKey(await ours.issue(coreApi), await createKey())
      const { port, requests } = await LoopbackServer.start(context, stolen, undefined, { maxVersion })
      const tls = { minVersion: maxVersion }
      const call = connectTls(source, { servers: [coreApi, theirApi], tls, host: '127.0.0.1', port })
      await assert.rejects(call, { code: 'server_unreachable' })
      assert.deepEqual(requests, [])
    })
  }
})

test('with servers of one trust domain OpenSSL must also accept a chain', async (context) => {
  const first = await createAuthority('saas.example', { keyIdentifiers: false })
  const second = await createAuthority('saas.example', { keyIdentifiers: false })
  const partner = await createAuthority('partner.example')
  const source = await first.source(billing, { federated: [second, partner] })
  // OpenSSL uses the first authority with a name that has no key identifier.
  const server = await LoopbackServer.start(context, await second.issue(coreApi, { keyIdentifiers: false }))

  assert.equal(await connect(source, [coreApi, theirApi], server), coreApi)
  await assert.rejects(connect(source, [coreApi], server), { code: 'server_untrusted', reason: 'tls_refused' })
})
