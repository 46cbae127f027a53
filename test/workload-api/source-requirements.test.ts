import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { billing, coreApi, openSource, startBillingAgent, startService } from './agent-service.ts'
import { nextNotice, nextOutcome, nextUpdate, waitUntil } from './waiting.ts'

test('W-1: one stream is kept open through all rotations', async (context) => {
  const { agent, source } = await startService(context)
  for (let round = 0; round < 3; round += 1) {
    const next = nextUpdate(source)
    await agent.rotate()
    await next
  }
  assert.equal(agent.calls.length, 1)
})

test('W-1: follows an agent that renews by itself', async (context) => {
  const { source } = await startService(context, { entries: [{ spiffeId: billing, ttlSeconds: 4 }] })
  const before = source.current
  assert.notEqual((await nextUpdate(source)).svid.serialNumber, before.svid.serialNumber)
})

test('W-2: a message replaces everything before it: SVID, key and bundles', async (context) => {
  const { agent, source } = await startService(context)
  const before = source.current
  const next = nextUpdate(source)
  await agent.setEntries([{ spiffeId: coreApi, federatesWith: [await createAuthority('partner.example')] }])
  const { svid, bundles } = await next
  assert.equal(svid.spiffeId.toString(), coreApi)
  assert.notEqual(svid.exportPrivateKey(), before.svid.exportPrivateKey())
  assert.deepEqual([...bundles.keys()].toSorted(), ['partner.example', 'saas.example'])
  assert.equal(bundles.get('saas.example'), before.bundles.get('saas.example'))
})

test('W-3: a federated bundle that is missing in a message is removed', async (context) => {
  const federatesWith = [await createAuthority('partner.example')]
  const { agent, source } = await startService(context, { entries: [{ spiffeId: billing, federatesWith }] })
  assert.ok(source.current.bundles.has('partner.example'))
  const next = nextUpdate(source)
  await agent.setEntries([{ spiffeId: billing }])
  assert.deepEqual([...(await next).bundles.keys()], ['saas.example'])
})

test('W-3: an authority that is missing in a bundle is removed', async (context) => {
  const old = await createAuthority('saas.example')
  const { agent, source } = await startService(context, { authority: old })
  const young = await createAuthority('saas.example')
  const overlapping = nextUpdate(source)
  await agent.setAuthority(young)
  assert.equal((await overlapping).bundles.get('saas.example')?.authorities.length, 2)
  const withdrawn = nextUpdate(source)
  await agent.setAuthority(young, { overlapSeconds: 0 })
  const bundle = (await withdrawn).bundles.get('saas.example')
  assert.deepEqual(
    bundle?.authorities.map(({ der }) => Buffer.from(der)),
    [young.certificateDer],
  )
})

test('W-3: an SVID with our hint that is missing in a message is removed, and restored when it returns', async (context) => {
  const entries = [{ spiffeId: billing }, { spiffeId: coreApi, hint: 'internal' }]
  const agent = await startBillingAgent(context, { entries })
  const source = await openSource(context, agent, { hint: 'internal' })
  assert.equal(source.current.svid.spiffeId.toString(), coreApi)
  await agent.setEntries([{ spiffeId: billing }])
  const notice = await nextNotice(source)
  assert.deepEqual([notice.outcome, notice.code], ['lost', 'svid_withdrawn'])
  assert.throws(() => source.current, { code: 'svid_withdrawn' })
  const next = nextUpdate(source)
  await agent.setEntries(entries)
  assert.equal((await next).svid.spiffeId.toString(), coreApi)
})

test('W-6: key, chain and bundle are those of the message, leaf first', async (context) => {
  const root = await createAuthority('saas.example')
  const authority = await root.intermediate()
  const { source } = await startService(context, { authority })
  const { svid, bundles } = source.current
  const chain = svid.certificatePem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []
  const [leaf, intermediate] = chain.map((pem) => new X509Certificate(pem))
  assert.equal(leaf?.subjectAltName, `URI:${billing}`)
  assert.deepEqual(intermediate?.raw, authority.certificateDer)
  assert.ok(leaf.publicKey.equals(createPublicKey(createPrivateKey(svid.exportPrivateKey()))))
  assert.deepEqual(
    bundles.get('saas.example')?.authorities.map(({ der }) => Buffer.from(der)),
    [root.certificateDer],
  )
})

for (const keyType of ['P-384', 'RSA-2048', 'Ed25519'] as const) {
  test(`W-6: accepts a key of the type ${keyType}`, async (context) => {
    const { source } = await startService(context, { entries: [{ spiffeId: billing, keyType }] })
    assert.equal(source.current.svid.spiffeId.toString(), billing)
  })
}

test('W-7: confirmed PermissionDenied withdraws the SVID, and the source keeps retrying', async (context) => {
  const { agent, source } = await startService(context)
  const before = source.current
  await agent.setEntries([])
  const notice = await nextNotice(source)
  assert.deepEqual([notice.outcome, notice.code], ['lost', 'agent_denied'])
  assert.throws(() => source.current, { name: 'AgentError', code: 'agent_denied', grpcCode: 'PERMISSION_DENIED' })
  const recovered = nextOutcome(source, 'recovered')
  const next = nextUpdate(source)
  await agent.setEntries([{ spiffeId: billing }])
  await recovered
  assert.equal((await next).svid.spiffeId.toString(), billing)
  assert.notEqual(source.current, before)
})

test('W-7: withdrawn material does not return because the agent becomes unavailable', async (context) => {
  const { agent, source } = await startService(context)
  await agent.setEntries([])
  await nextNotice(source, 'agent_denied')
  await agent.stop()
  await nextNotice(source, 'agent_unreachable')
  assert.throws(() => source.current, { code: 'agent_denied' })
})

test('W-7: the same SVID after a withdrawal is reported like a new one', async (context) => {
  const { agent, source } = await startService(context)
  const before = source.current
  const next = nextUpdate(source)
  await agent.fail('permission_denied', { times: 2 })
  assert.equal((await next).svid.serialNumber, before.svid.serialNumber)
})

test('W-8: uses the first of several SVIDs with one hint', async (context) => {
  const entries = [{ spiffeId: coreApi, hint: 'internal' }, { spiffeId: billing }]
  const agent = await startBillingAgent(context, { entries, faults: [{ name: 'duplicate_hint' }] })
  const source = await openSource(context, agent, { hint: 'internal' })
  assert.equal(source.current.svid.spiffeId.toString(), coreApi)
  const svids = await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids()
  assert.deepEqual(
    svids.map(({ hint, material }) => [hint, material.svid.spiffeId.toString()]),
    [['internal', coreApi]],
  )
})

test('W-9: selects by the hint; without one uses the first SVID, whatever its hint', async (context) => {
  const entries = [
    { spiffeId: billing, hint: 'external' },
    { spiffeId: coreApi, hint: 'internal' },
  ]
  const agent = await startBillingAgent(context, { entries })
  assert.equal((await openSource(context, agent)).current.svid.spiffeId.toString(), billing)
  const chosen = await openSource(context, agent, { hint: 'internal' })
  assert.equal(chosen.current.svid.spiffeId.toString(), coreApi)
})

test('W-9: reports a hint that no SVID has, with the available hints', async (context) => {
  const agent = await startBillingAgent(context, { entries: [{ spiffeId: billing, hint: 'external' }] })
  await assert.rejects(openSource(context, agent, { hint: 'internal', timeoutMs: 1000 }), {
    code: 'svid_withdrawn',
    value: 'internal',
    message: /'external'/,
  })
})

test('W-9: waits for a hint that an SVID gets later', async (context) => {
  const agent = await startBillingAgent(context)
  const opening = openSource(context, agent, { hint: 'internal' })
  await waitUntil(() => agent.calls.length > 0)
  await agent.setEntries([{ spiffeId: billing }, { spiffeId: coreApi, hint: 'internal' }])
  assert.equal((await opening).current.svid.spiffeId.toString(), coreApi)
})

test('a message without changes notifies no listener, and the next one notifies all', async (context) => {
  const { agent, source } = await startService(context, { entries: [{ spiffeId: billing }, { spiffeId: coreApi }] })
  const before = source.current
  const updates: unknown[] = []
  source.onUpdate((material) => updates.push(material))
  await agent.heal()
  // Entries that are not ours do not affect us.
  await agent.setCrls([])
  assert.equal(source.current, before)
  const next = nextUpdate(source)
  await agent.rotate()
  assert.deepEqual(updates, [await next])
})
