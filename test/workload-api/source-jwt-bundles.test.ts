import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOf, createGuard, hasAuthority, provenBy, type CountersignEvent } from '@countersign/core'
import { serve } from '@countersign/testkit'
import { createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'
import { billing, startBillingAgent } from './agent-service.ts'
import { waitUntil } from './waiting.ts'

test('a guard accepts tokens with the JWT bundles of its own source', async (context) => {
  const agent = await startBillingAgent(context)
  await using source = await workloadApiSource({ endpoint: agent.endpoint })
  const events: CountersignEvent[] = []
  const guard = createGuard({
    source,
    log: (event) => void events.push(event),
    rules: [{ path: '/**', allow: allOf(provenBy('jwt-svid'), hasAuthority('SERVICE_billing')) }],
    credentials: { jwtSvid: { audiences: ['billing'], withoutCertificate: true } },
  })
  await using running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const { token } = await client.fetchJwtSvid({ audience: ['billing'] })
  await waitUntil(() => source.jwtBundles.current().size > 0)
  const peer = running.as(null)
  const headers = { authorization: `Bearer ${token}` }
  assert.equal((await peer.fetch('/invoices', { headers })).status, 200)
  assert.equal((await peer.fetch('/invoices')).status, 401)
  const forged = { authorization: `Bearer ${token.slice(0, -8)}AAAAAAAA` }
  const response = await peer.fetch('/invoices', { headers: forged })
  assert.equal(response.status, 401)
  assert.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  assert.ok(events.every((event) => !JSON.stringify(event).includes(token.slice(-20))))
})

test('a source fetches JWT bundles only if something asks for them', async (context) => {
  const agent = await startBillingAgent(context)
  await using source = await workloadApiSource({ endpoint: agent.endpoint })
  assert.ok(source.current.svid.spiffeId.toString() === billing)
  assert.ok(agent.calls.every(({ method }) => method !== 'FetchJWTBundles'))
  assert.equal(source.jwtBundles.current().size, 0)
  await waitUntil(() => source.jwtBundles.current().size > 0)
  assert.ok(agent.calls.some(({ method }) => method === 'FetchJWTBundles'))
})

test('a closed source has no JWT bundles, and does not fetch them again', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await workloadApiSource({ endpoint: agent.endpoint })
  source.jwtBundles.current()
  await source.close()
  assert.equal(source.jwtBundles.current().size, 0)
  const calls = agent.calls.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(agent.calls.length, calls)
})
