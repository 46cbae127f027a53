import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'
import { billing, openSource, startBillingAgent, startService } from './agent-service.ts'
import { nextNotice, nextOutcome, nextUpdate, waitUntil } from './waiting.ts'

// What is wrong with a message, row by row, and the code with which it is reported.
const spoilt = [
  ['no_svids', 'message_malformed', 'W-4, W-6'],
  ['empty_spiffe_id', 'message_malformed', 'W-4, W-6'],
  ['empty_svid', 'message_malformed', 'W-4, W-6'],
  ['empty_key', 'message_malformed', 'W-4, W-6'],
  ['empty_bundle', 'message_malformed', 'W-4, W-6'],
  ['broken_der', 'certificate_malformed', 'W-6'],
  ['broken_key', 'key_malformed', 'W-6'],
  ['broken_bundle', 'certificate_malformed', 'W-6'],
  ['wrong_key', 'key_mismatch', 'W-6'],
  ['other_spiffe_id', 'message_malformed', 'W-17'],
  ['expired_svid', 'svid_unusable', 'W-18'],
] as const

for (const [fault, code, rows] of spoilt) {
  test(`${rows}: reports and discards a message with ${fault}, and keeps the current material`, async (context) => {
    const { agent, source } = await startService(context)
    const before = source.current
    let updates = 0
    source.onUpdate(() => (updates += 1))
    await agent.fail(fault)
    const notice = await nextNotice(source)
    assert.deepEqual([notice.outcome, notice.code], ['refused', code])
    assert.equal(source.current, before)

    const recovered = nextOutcome(source, 'recovered')
    await agent.heal()
    await recovered
    assert.equal(source.current, before)
    assert.equal(updates, 0)
    const next = nextUpdate(source)
    await agent.rotate()
    assert.notEqual((await next).svid.serialNumber, before.svid.serialNumber)
  })

  test(`${rows}: a source does not start with ${fault} in the first message, but does with a later valid one`, async (context) => {
    const agent = await startBillingAgent(context, { faults: [{ name: fault, times: 1 }] })
    const source = await openSource(context, agent, { startWithoutSvid: true })
    assert.equal((await nextNotice(source)).code, code)
    assert.throws(() => source.current, { code: 'source_empty' })
    const first = nextUpdate(source)
    await agent.rotate()
    assert.equal((await first).svid.spiffeId.toString(), billing)
  })
}

test('a source that only receives unusable messages reports so when its time is up', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'wrong_key' }] })
  await assert.rejects(workloadApiSource({ endpoint: agent.endpoint, timeoutMs: 1000 }), { code: 'key_mismatch' })
})

for (const fault of ['broken_message', 'internal', 'unavailable'] as const) {
  test(`E-7, W-1: ${fault} ends the stream, which is reopened; the current material stays`, async (context) => {
    const { agent, source } = await startService(context)
    const before = source.current
    const recovered = nextOutcome(source, 'recovered')
    await agent.fail(fault, { times: 3 })
    const notice = await nextNotice(source)
    const code = fault === 'unavailable' ? 'agent_unreachable' : 'agent_failed'
    assert.deepEqual([notice.outcome, notice.code], ['warning', code])
    await recovered
    assert.equal(source.current, before)
    assert.equal(streamsOf(agent.calls), 4)
  })
}

test('W-1: a stream that ends without an error is reopened silently', async (context) => {
  const { agent, source } = await startService(context)
  const before = source.current
  const told: unknown[] = []
  source.onNotice((notice) => told.push(notice))
  await agent.fail('clean_end', { times: 3 })
  await waitUntil(() => streamsOf(agent.calls) === 4)
  const next = nextUpdate(source)
  await agent.rotate()
  assert.notEqual(await next, before)
  assert.deepEqual(told, [])
})

test('waits for a slow agent', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'slow', delayMs: 200 }] })
  const source = await openSource(context, agent)
  assert.equal(source.current.svid.spiffeId.toString(), billing)
})

test('names an agent that does not answer when the time is up', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'silent' }] })
  await assert.rejects(workloadApiSource({ endpoint: agent.endpoint, timeoutMs: 300 }), {
    code: 'agent_unreachable',
    message: new RegExp(agent.endpoint),
  })
  await assert.rejects(createWorkloadApiClient({ endpoint: agent.endpoint, timeoutMs: 100 }).fetchX509Svids(), {
    code: 'agent_unreachable',
    grpcCode: 'DEADLINE_EXCEEDED',
  })
})

test('finds a socket that is created late', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'no_socket', delayMs: 200 }] })
  const source = await openSource(context, agent)
  assert.equal(source.current.svid.spiffeId.toString(), billing)
})

test('handles several faults at once', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  await agent.fail('wrong_key')
  await agent.fail('unavailable', { times: 2 })
  await nextNotice(source, 'agent_unreachable')
  const recovered = nextOutcome(source, 'recovered')
  await agent.heal()
  await recovered
  assert.equal(source.current.svid.spiffeId.toString(), billing)
})

function streamsOf(calls: readonly { readonly method: string }[]): number {
  return calls.filter(({ method }) => method === 'FetchX509SVID').length
}
