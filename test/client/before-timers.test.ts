import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createFetch } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'

// Timers close connections when a certificate expires. A call may be made before they fire.
const saas = await createAuthority('saas.example')
const web = await createAuthority('web.example', { spiffeId: false })
const billing = 'spiffe://saas.example/ns/production/sa/billing'
const hour = 3_600_000

interface Client {
  readonly server: LoopbackServer
  readonly call: () => Promise<number>
  /** From here on `Date.now()` is this many milliseconds ahead of the timers. */
  readonly advance: (milliseconds: number) => void
}

/** Starts a client with an open connection. The certificates of client and server are valid for this many hours. */
async function start(
  context: TestContext,
  hours: { readonly own: number; readonly server: number },
  known: 'SPIFFE ID' | 'host' = 'SPIFFE ID',
): Promise<Client> {
  const ttlSeconds = hours.own * 3600
  const source = await saas.source('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds })
  const issuer = known === 'host' ? web : saas
  const shown = { ttlSeconds: hours.server * 3600, ipAddresses: ['127.0.0.1'] }
  const server = await LoopbackServer.start(
    context,
    await issuer.issue(billing.replace('saas', known === 'host' ? 'web' : 'saas'), shown),
  )
  const servers = known === 'host' ? ({ dns: true, ca: web.bundlePem } as const) : [billing]
  const fetch = createFetch(source, { servers })
  context.after(() => fetch.close())
  const call = async (): Promise<number> => {
    const response = await fetch(server.url)
    await response.arrayBuffer()
    return response.status
  }
  // Until a connection is used again.
  while (server.handshakes === 0 || server.handshakes >= server.requests.length) assert.equal(await call(), 200)
  const real = Date.now
  let ahead = 0
  context.mock.method(Date, 'now', () => real() + ahead)
  return { server, call, advance: (milliseconds) => (ahead += milliseconds) }
}

test('sends no request on an open connection to a host whose certificate has expired', async (context) => {
  const { server, call, advance } = await start(context, { own: 4, server: 1 }, 'host')
  const { length } = server.requests
  advance(2 * hour)
  await expectCallError(call(), { code: 'server_untrusted', reason: 'identity_expired' })
  assert.equal(server.requests.length, length)
})

test('sends no request on an open connection to a server whose certificate has expired', async (context) => {
  const { server, call, advance } = await start(context, { own: 4, server: 1 })
  const { length } = server.requests
  advance(2 * hour)
  await expectCallError(call(), { code: 'server_untrusted' })
  assert.equal(server.requests.length, length)
})

test('sends no request after our own certificate has expired', async (context) => {
  const { server, call, advance } = await start(context, { own: 1, server: 4 })
  const { length } = server.requests
  advance(2 * hour)
  await expectCallError(call(), { code: 'own_certificate_missing' })
  assert.equal(server.requests.length, length)
})
