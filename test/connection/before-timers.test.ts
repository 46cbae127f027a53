import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { authenticated, type CountersignEvent, createGuard } from '@countersign/core'
import { createAuthority, type Peer, serve } from '@countersign/testkit'

// Timers close connections when a certificate expires; a request may arrive before they fire.
const authority = await createAuthority('saas.example')
const hour = 3_600_000

interface Service {
  readonly peer: Peer
  readonly events: readonly CountersignEvent[]
  /** From here on `Date.now()` is this many milliseconds ahead of the timers. */
  readonly advance: (milliseconds: number) => void
}

async function start(context: TestContext): Promise<Service> {
  const events: CountersignEvent[] = []
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing', { ttlSeconds: 4 * 3600 })
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source, rules, log: (event) => events.push(event) })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: 3600 })
  const real = Date.now
  let ahead = 0
  context.mock.method(Date, 'now', () => real() + ahead)
  return { peer: running.as(caller), events, advance: (milliseconds) => (ahead += milliseconds) }
}

test('refuses a caller that connects after our own certificate has expired, and reports why', async (context) => {
  const { peer, events, advance } = await start(context)
  advance(5 * hour)
  await assert.rejects(peer.fetch('/'))
  const reasons = events.flatMap((event) => (event.type === 'authentication' ? [event.reason] : []))
  assert.deepEqual(reasons, ['source_unavailable'])
})

test('answers 503 to a request that arrives after our own certificate has expired, and reports why', async (context) => {
  const { peer, events, advance } = await start(context)
  assert.equal((await peer.fetch('/')).status, 200)
  advance(5 * hour)
  assert.equal((await peer.fetch('/')).status, 503)
  const reasons = events.flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
  assert.deepEqual(reasons, ['source_unavailable'])
})

test(
  "closes the connection of a request that arrives after the caller's certificate has expired",
  { timeout: 20_000 },
  async (context) => {
    const { peer, events, advance } = await start(context)
    assert.equal((await peer.fetch('/')).status, 200)
    advance(2 * hour)
    await assert.rejects(peer.fetch('/'))
    const reasons = events.flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
    assert.deepEqual(reasons, ['identity_expired'])
  },
)
