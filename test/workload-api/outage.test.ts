import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { billing, coreApi, openSource, startBillingAgent, startService } from './agent-service.ts'
import { withLife } from '../support/with-life.ts'
import { callAs, connectAs, serveSource, waitForEnd } from './served.ts'
import { nextNotice, nextOutcome, nextUpdate, pause, waitUntil } from './waiting.ts'

const federated = 'spiffe://partner.example/ns/production/sa/partner'

test('follows an agent again after a long outage, noticed only in the log', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  const before = source.current
  const told: string[] = []
  source.onNotice(({ outcome, code }) => told.push(code ?? outcome))

  await agent.stop()
  await nextNotice(source, 'agent_unreachable')
  // About ten attempts.
  await pause(200)
  assert.equal(source.current, before)
  assert.equal(await callAs(served, authority), coreApi)
  assert.equal(served.guard.health().status, 'ready')

  const recovered = nextOutcome(source, 'recovered')
  await agent.start()
  await recovered
  const next = nextUpdate(source)
  await agent.rotate()
  assert.notEqual((await next).svid.serialNumber, before.svid.serialNumber)
  assert.equal(await callAs(served, authority), coreApi)
  assert.deepEqual(told, ['agent_unreachable', 'recovered'])
})

test("during an outage longer than our SVID's lifetime, serves until it expires, and again afterwards", (context) =>
  withLife(2, async (life) => {
    const authority = await createAuthority('saas.example')
    const { agent, source } = await startService(context, {
      authority,
      entries: [{ spiffeId: billing, ttlSeconds: life.seconds }],
    })
    const served = await serveSource(context, source)
    await agent.stop()
    const { svid } = source.current
    life.begun()

    await waitUntil(() => Date.now() >= svid.expiresAt)
    assert.throws(() => source.current, { code: 'source_expired' })
    assert.equal(served.guard.health().status, 'expired')
    assert.equal(await callAs(served, authority), undefined)

    const next = nextUpdate(source)
    await agent.setEntries([{ spiffeId: billing }])
    await agent.start()
    assert.ok((await next).svid.expiresAt > Date.now())
    assert.equal(served.guard.health().status, 'ready')
    assert.equal(await callAs(served, authority), coreApi)
  }))

test('removing the socket of a running agent ends nothing, and a restored socket is found', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  rmSync(agent.endpoint.slice('unix://'.length))
  const next = nextUpdate(source)
  await agent.rotate()
  await next
  assert.equal(await callAs(served, authority), coreApi)

  await agent.stop()
  await nextNotice(source, 'agent_unreachable')
  await pause(200)
  assert.equal(await callAs(served, authority), coreApi)
  const recovered = nextOutcome(source, 'recovered')
  await agent.heal('no_socket')
  await recovered
})

test("finds a socket again that was gone for longer than our SVID's lifetime", (context) =>
  withLife(2, async (life) => {
    const authority = await createAuthority('saas.example')
    const { agent, source } = await startService(context, {
      authority,
      entries: [{ spiffeId: billing, ttlSeconds: life.seconds }],
    })
    const served = await serveSource(context, source)
    const { svid } = source.current
    life.begun()
    await agent.fail('no_socket')
    await waitUntil(() => Date.now() >= svid.expiresAt)
    assert.equal(await callAs(served, authority), undefined)
    const next = nextUpdate(source)
    await agent.setEntries([{ spiffeId: billing }])
    await agent.heal('no_socket')
    await next
    assert.equal(await callAs(served, authority), coreApi)
  }))

test('after an agent returns with another CA, accepts its peers and disconnects those of the old one', async (context) => {
  const old = await createAuthority('saas.example')
  const young = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority: old })
  const served = await serveSource(context, source)
  const open = await connectAs(served, old)
  assert.equal(await callAs(served, old), coreApi)
  assert.equal(await callAs(served, young), undefined)

  const next = nextUpdate(source)
  await agent.restart({ authority: young })
  await next
  await waitForEnd(open)
  assert.equal(await callAs(served, old), undefined)
  assert.equal(await callAs(served, young), coreApi)
  assert.equal(served.guard.health().status, 'ready')
})

test('W-5: disconnects peers of a trust domain whose bundle the agent withdraws, and accepts them when it returns', async (context) => {
  const partner = await createAuthority('partner.example')
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const { agent, source } = await startService(context, { entries })
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  assert.equal(await callAs(served, partner, federated), federated)
  const open = await connectAs(served, partner, federated)

  const without = nextUpdate(source)
  await agent.setEntries([{ spiffeId: billing }])
  await without
  await waitForEnd(open)
  assert.equal(await callAs(served, partner, federated), undefined)

  const again = nextUpdate(source)
  await agent.setEntries(entries)
  await again
  assert.equal(await callAs(served, partner, federated), federated)
})

test('W-5: checks a peer only against the bundle of its own trust domain', async (context) => {
  const partner = await createAuthority('partner.example')
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const { source } = await startService(context, { entries })
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  await using peer = served.running.as(await partner.issue(coreApi, { faults: ['foreign_trust_domain'] }))
  await assert.rejects(peer.fetch('/'))
})

test('W-7: PermissionDenied that the agent withdraws within 200 ms closes no connection', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  const open = await connectAs(served, authority)
  const before = source.current
  const notices: unknown[] = []
  source.onNotice((notice) => notices.push(notice))

  await agent.setEntries([])
  await pause(200)
  const next = nextUpdate(source)
  await agent.setEntries([{ spiffeId: billing }])
  assert.notEqual((await next).svid.serialNumber, before.svid.serialNumber)
  assert.ok(!open.closed && !open.readableEnded)
  assert.equal(await callAs(served, authority), coreApi)
  assert.deepEqual(notices, [])
})

test('W-7: lasting PermissionDenied closes every connection and refuses new ones until there is an entry again', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  const open = await connectAs(served, authority)
  await agent.setEntries([])
  await waitForEnd(open)
  assert.equal(await callAs(served, authority), undefined)
  const { status, isServing, lastError } = served.guard.health()
  assert.deepEqual([status, isServing, lastError?.code], ['lost', false, 'agent_denied'])

  const next = nextUpdate(source)
  await agent.setEntries([{ spiffeId: billing }])
  await next
  assert.equal(await callAs(served, authority), coreApi)
  assert.equal(served.guard.health().status, 'ready')
})

test('an unusable message is the last error of the guard, which continues to serve', async (context) => {
  const authority = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  await agent.fail('wrong_key')
  await nextNotice(source, 'key_mismatch')
  const { status, lastError } = served.guard.health()
  assert.deepEqual([status, lastError?.code], ['ready', 'key_mismatch'])
  assert.equal(await callAs(served, authority), coreApi)
})

test('a guard reports what its source reports', async (context) => {
  const { agent, source } = await startService(context)
  const served = await serveSource(context, source)
  await agent.fail('unavailable', { times: 2 })
  await nextOutcome(source, 'recovered')
  const reported = served.events.flatMap((event) => (event.type === 'source' ? [event.code ?? event.outcome] : []))
  assert.deepEqual(reported, ['agent_unreachable', 'recovered'])
})

test('a source that started without an SVID can be used for a guard once it has one', async (context) => {
  const authority = await createAuthority('saas.example')
  const agent = await startBillingAgent(context, { authority, faults: [{ name: 'no_socket' }] })
  const source = await openSource(context, agent, { startWithoutSvid: true })
  await nextNotice(source, 'agent_unreachable')
  await assert.rejects(serveSource(context, source), { code: 'source_empty' })
  const next = nextUpdate(source)
  await agent.start()
  await next
  assert.equal(await callAs(await serveSource(context, source), authority), coreApi)
})
