import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createFetch } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'

// Timers close connections when a certificate expires. A call may be made before they fire.
const saas = await createAuthority('saas.example')
const billing = 'spiffe://saas.example/ns/production/sa/billing'
const hour = 3_600_000

interface Client {
  readonly server: LoopbackServer
  readonly call: () => Promise<number>
  /** From here on `Date.now()` is so many milliseconds ahead of the timers. */
  readonly advance: (milliseconds: number) => void
}

async function start(context: TestContext): Promise<Client> {
  const source = await saas.source('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: 4 * 3600 })
  const server = await LoopbackServer.start(context, await saas.issue(billing, { ttlSeconds: 3600 }))
  const fetch = createFetch(source, { servers: [billing] })
  context.after(() => fetch.close())
  const call = async (): Promise<number> => {
    const response = await fetch(server.url)
    await response.arrayBuffer()
    return response.status
  }
  const real = Date.now
  let ahead = 0
  context.mock.method(Date, 'now', () => real() + ahead)
  return { server, call, advance: (milliseconds) => (ahead += milliseconds) }
}

test('sends no request on an open connection whose server certificate has expired', async (context) => {
  const { server, call, advance } = await start(context)
  assert.equal(await call(), 200)
  advance(2 * hour)
  await expectCallError(call(), { code: 'server_untrusted' })
  assert.equal(server.requests.length, 1)
})

test('sends no request after our own certificate has expired', async (context) => {
  const { server, call, advance } = await start(context)
  assert.equal(await call(), 200)
  advance(5 * hour)
  await expectCallError(call(), { code: 'own_certificate_missing' })
  assert.equal(server.attempts, 1)
})
