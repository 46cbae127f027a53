import assert from 'node:assert/strict'
import { type Agent as HttpsAgent, Agent, get } from 'node:https'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { anonymous, anyOf, createGuard, hasAuthority } from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'
import { isLong } from '../support/long.ts'

// The whole form: 60 seconds with 1,000 requests a second. The short one has the same steps.
const [seconds, perSecond] = isLong ? [60, 1000] : [2, 100]

/** What a caller saw: when it sent the request, when it received the answer, and the status or the error. */
interface Seen {
  readonly sentAt: number
  readonly answeredAt: number
  readonly outcome: number | string
}

test('while the deadline passes under load, exactly the anonymous callers fail, from the deadline on', async (context) => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const orders = await authority.issue('spiffe://saas.example/ns/production/sa/orders')
  const deadline = Date.now() + (seconds * 1000) / 2
  const guard = createGuard({
    source,
    log: () => undefined,
    permissive: { until: new Date(deadline).toISOString() },
    rules: [{ path: '/**', allow: anyOf(anonymous(), hasAuthority('SERVICE_orders')) }],
  })
  const running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
  context.after(() => running.close())
  const tls = { keepAlive: true, maxSockets: 8, rejectUnauthorized: false, maxCachedSessions: 0 }
  const agents = {
    authenticated: new Agent({ ...tls, key: orders.keyPem, cert: orders.certificatePem }),
    anonymous: new Agent(tls),
  }
  context.after(() => {
    for (const agent of Object.values(agents)) agent.destroy()
  })
  const seen: Record<keyof typeof agents, Promise<Seen>[]> = { authenticated: [], anonymous: [] }
  const start = Date.now()
  for (let tick = 0; tick < seconds * 20; tick += 1) {
    for (let count = 0; count < perSecond / 20; count += 1) {
      const kind = count % 2 === 0 ? 'authenticated' : 'anonymous'
      seen[kind].push(ask(running.port, agents[kind]))
    }
    await wait(Math.max(0, start + (tick + 1) * 50 - Date.now()))
  }
  const authenticated = await Promise.all(seen.authenticated)
  const anonymousOnes = await Promise.all(seen.anonymous)
  assert.deepEqual(authenticated.filter(({ outcome }) => outcome !== 200).slice(0, 3), [])
  const before = anonymousOnes.filter(({ answeredAt }) => answeredAt < deadline)
  const after = anonymousOnes.filter(({ sentAt }) => sentAt >= deadline)
  assert.ok(before.length > 10 && after.length > 10, `${before.length} before, ${after.length} after`)
  assert.deepEqual(before.filter(({ outcome }) => outcome !== 200).slice(0, 3), [])
  assert.deepEqual(after.filter(({ outcome }) => outcome === 200).slice(0, 3), [])
  const counted = guard.readiness()?.entries.find(({ credential }) => credential === 'anonymous')?.requests ?? 0
  const served = anonymousOnes.filter(({ outcome }) => outcome === 200).length
  // A request that was running at the deadline was counted and then ended.
  assert.ok(counted >= served && counted <= anonymousOnes.length - after.length, `${counted} counted, ${served} served`)
})

function ask(port: number, agent: HttpsAgent): Promise<Seen> {
  const sentAt = Date.now()
  return new Promise((resolve) => {
    const settle = (outcome: number | string): void => resolve({ sentAt, answeredAt: Date.now(), outcome })
    get({ host: '127.0.0.1', port, path: '/invoices', agent }, (response) => {
      response.resume()
      response.on('end', () => settle(response.statusCode ?? 0))
      response.on('error', (error) => settle(error.message))
    }).on('error', (error) => settle(error.message))
  })
}
