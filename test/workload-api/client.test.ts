import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { X509Bundle } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { AgentError, type AgentSvid, createWorkloadApiClient } from '@countersign/workload-api'
import { loadWorkloadService } from '@countersign/workload-api/wire'
import { parseEndpointAddress } from '../../packages/workload-api/src/endpoint/endpoint-address.ts'
import { parseJwtSvids } from '../../packages/workload-api/src/wire/messages.ts'
import { WorkloadStub } from '../../packages/workload-api/src/wire/workload-stub.ts'
import { billing, coreApi, startBillingAgent } from './agent-service.ts'
import { factsOf } from './facts-of.ts'
import { pause, waitUntil } from './waiting.ts'

const audience = ['spiffe://saas.example/ns/production/sa/ledger']

test('returns every SVID once, with hints', async (context) => {
  const entries = [{ spiffeId: billing }, { spiffeId: coreApi, hint: 'internal' }]
  const { endpoint } = await startBillingAgent(context, { entries })
  const svids = await createWorkloadApiClient({ endpoint }).fetchX509Svids()
  assert.deepEqual(
    svids.map(({ hint, material }) => [hint, material.svid.spiffeId.toString()]),
    [
      ['', billing],
      ['internal', coreApi],
    ],
  )
})

test('W-2: watches all SVIDs until it is stopped', async (context) => {
  const agent = await startBillingAgent(context)
  const seen: (readonly AgentSvid[])[] = []
  const stop = createWorkloadApiClient({ endpoint: agent.endpoint }).watchX509Svids({
    onUpdate: (svids) => seen.push(svids),
  })
  await waitUntil(() => seen.length === 1)
  await agent.setEntries([{ spiffeId: coreApi }, { spiffeId: billing }])
  await waitUntil(() => seen.length === 2)
  assert.deepEqual(
    seen.map((svids) => svids.map(({ material }) => material.svid.spiffeId.toString())),
    [[billing], [coreApi, billing]],
  )
  stop()
  await agent.rotate()
  await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids()
  assert.equal(seen.length, 2)
})

test('W-4: a watcher is notified of an unusable message, and of the next usable one', async (context) => {
  const agent = await startBillingAgent(context)
  const seen: unknown[] = []
  const errors: unknown[] = []
  const stop = createWorkloadApiClient({ endpoint: agent.endpoint }).watchX509Svids({
    onUpdate: (svids) => seen.push(svids),
    onError: (error) => errors.push(error),
  })
  context.after(stop)
  await waitUntil(() => seen.length === 1)
  await agent.fail('empty_key')
  await waitUntil(() => errors.length === 1)
  await agent.heal()
  await waitUntil(() => seen.length === 2)
  const [error] = errors
  assert.ok(error instanceof Error && 'code' in error && error.code === 'message_malformed')
})

test('E-8: a watcher without onError still retries', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'permission_denied', times: 2 }] })
  const seen: unknown[] = []
  context.after(
    createWorkloadApiClient({ endpoint: agent.endpoint }).watchX509Svids({ onUpdate: (svids) => seen.push(svids) }),
  )
  await waitUntil(() => seen.length === 1)
})

test('W-13: returns the X.509 bundles by trust domain, and watches them', async (context) => {
  const partner = await createAuthority('partner.example')
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const agent = await startBillingAgent(context, { entries })
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const bundles = await client.fetchX509Bundles()
  assert.deepEqual([...bundles.keys()].toSorted(), ['partner.example', 'saas.example'])
  assert.deepEqual(
    bundles.get('partner.example')?.authorities.map(({ der }) => Buffer.from(der)),
    [partner.certificateDer],
  )

  const seen: ReadonlyMap<string, X509Bundle>[] = []
  context.after(client.watchX509Bundles({ onUpdate: (update) => seen.push(update) }))
  await waitUntil(() => seen.length === 1)
  await agent.setEntries([{ spiffeId: billing }])
  await waitUntil(() => seen.length === 2)
  assert.deepEqual([...(seen[1]?.keys() ?? [])], ['saas.example'])
})

for (const [fault, codes] of [
  ['empty_bundle', []],
  ['broken_bundle', ['certificate_malformed']],
] as const) {
  test(`W-3, W-13: X.509 bundles with ${fault} authenticate no peer, and report why`, async (context) => {
    const { endpoint } = await startBillingAgent(context, { faults: [{ name: fault }] })
    const errors: unknown[] = []
    const bundles = await createWorkloadApiClient({ endpoint }).fetchX509Bundles({
      onError: (error) => errors.push(error),
    })
    const bundle = bundles.get('saas.example')
    assert.deepEqual(bundle?.authorities, [])
    assert.deepEqual(
      bundle.faults.map(({ code }) => code),
      codes,
    )
    assert.deepEqual(
      errors.map(factsOf),
      codes.map((code) => [code, 'saas.example']),
    )
  })
}

test('W-3: with an agent that has no bundle (any more) no peer is trusted', async (context) => {
  const { endpoint } = await startBillingAgent(context, { faults: [{ name: 'no_bundles' }] })
  const client = createWorkloadApiClient({ endpoint })
  assert.equal((await client.fetchX509Bundles()).size, 0)
  assert.equal((await client.fetchJwtBundles()).size, 0)
})

test('W-12, W-13: returns the JWT authorities separately from those of X.509, by trust domain', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const client = createWorkloadApiClient({ endpoint })
  const sets = await client.fetchJwtBundles()
  assert.deepEqual([...sets.keys()], ['saas.example'])
  const set: unknown = JSON.parse(sets.get('saas.example') ?? '')
  assert.ok(typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys))
  assert.equal(set.keys.length, 1)
  assert.ok(!JSON.stringify(set).includes('x5c'))
})

test('W-15: a JWT-SVID has the requested SPIFFE ID, or else the first', async (context) => {
  const entries = [{ spiffeId: billing }, { spiffeId: coreApi, hint: 'internal' }]
  const { endpoint } = await startBillingAgent(context, { entries })
  const client = createWorkloadApiClient({ endpoint })
  const first = await client.fetchJwtSvid({ audience })
  assert.deepEqual([first.spiffeId.toString(), first.hint], [billing, ''])
  const chosen = await client.fetchJwtSvid({ audience, spiffeId: coreApi })
  assert.deepEqual([chosen.spiffeId.toString(), chosen.hint], [coreApi, 'internal'])
  await assert.rejects(client.fetchJwtSvid({ audience, spiffeId: 'spiffe://saas.example/stranger' }), {
    code: 'agent_denied',
  })
})

test('W-14: the agent validates a token only for its audience', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const client = createWorkloadApiClient({ endpoint })
  const { token } = await client.fetchJwtSvid({ audience })
  const { spiffeId, claims } = await client.validateJwtSvid({ audience: audience[0] ?? '', token })
  assert.equal(spiffeId.toString(), billing)
  assert.equal(claims['sub'], billing)
  assert.equal(typeof claims['exp'], 'number')
  const refusal = { code: 'agent_refused', grpcCode: 'INVALID_ARGUMENT' }
  await assert.rejects(client.validateJwtSvid({ audience: 'somebody else', token }), refusal)
  await assert.rejects(client.validateJwtSvid({ audience: audience[0] ?? '', token: `${token}x` }), refusal)
})

for (const [fault, code] of [
  ['no_svids', 'message_malformed'],
  ['empty_spiffe_id', 'message_malformed'],
  ['empty_svid', 'message_malformed'],
  ['broken_message', 'agent_failed'],
] as const) {
  test(`W-4: a JWT-SVID with ${fault} is refused`, async (context) => {
    const { endpoint } = await startBillingAgent(context, { faults: [{ name: fault }] })
    await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience }), { code })
  })
}

for (const fault of ['empty_spiffe_id', 'empty_claims'] as const) {
  test(`W-4: rejects a validation with ${fault}`, async (context) => {
    const agent = await startBillingAgent(context)
    const client = createWorkloadApiClient({ endpoint: agent.endpoint })
    const { token } = await client.fetchJwtSvid({ audience })
    await agent.fail(fault)
    await assert.rejects(client.validateJwtSvid({ audience: audience[0] ?? '', token }), { code: 'message_malformed' })
  })
}

test('W-14: an expired token is neither issued nor valid', async (context) => {
  const { endpoint } = await startBillingAgent(context, { faults: [{ name: 'expired_svid' }] })
  const client = createWorkloadApiClient({ endpoint })
  await assert.rejects(client.fetchJwtSvid({ audience }), { code: 'message_malformed', message: /expired/ })
  const stub = new WorkloadStub(parseEndpointAddress(endpoint), loadWorkloadService())
  context.after(() => stub.close())
  const [expired] = parseJwtSvids(await stub.call('FetchJWTSVID', { audience, spiffe_id: '' }, 5000))
  assert.ok(expired !== undefined)
  await assert.rejects(client.validateJwtSvid({ audience: audience[0] ?? '', token: expired.token }), {
    code: 'agent_refused',
  })
})

test('reports an invalid token as such, and not that the endpoint may not be a Workload API', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const client = createWorkloadApiClient({ endpoint })
  const { token } = await client.fetchJwtSvid({ audience })
  for (const bad of [`${token}x`, 'not a token', '']) {
    await assert.rejects(client.validateJwtSvid({ audience: audience[0] ?? '', token: bad }), (error) => {
      assert.ok(error instanceof AgentError)
      assert.deepEqual([error.code, error.grpcCode, error.isFinal], ['agent_refused', 'INVALID_ARGUMENT', true])
      assert.match(error.message, /the token is not valid/)
      assert.doesNotMatch(error.message, /Workload API/)
      return true
    })
  }
})

test('rejects an empty audience and text that is not a SPIFFE ID without calling the agent', async (context) => {
  const agent = await startBillingAgent(context)
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const refusal = { name: 'ConfigurationError', code: 'option_invalid' }
  await assert.rejects(client.validateJwtSvid({ audience: '', token: 'a.b.c' }), refusal)
  await assert.rejects(client.fetchJwtSvid({ audience: [] }), refusal)
  await assert.rejects(client.fetchJwtSvid({ audience: ['ledger', ''] }), refusal)
  await assert.rejects(client.fetchJwtSvid({ audience, spiffeId: 'billing' }), { ...refusal, value: 'billing' })
  assert.equal(agent.calls.length, 0)
})

test('W-14: rejects a validation whose two SPIFFE IDs differ', async (context) => {
  const agent = await startBillingAgent(context)
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const { token } = await client.fetchJwtSvid({ audience })
  await agent.fail('other_spiffe_id')
  await assert.rejects(client.validateJwtSvid({ audience: audience[0] ?? '', token }), { code: 'message_malformed' })
})

test('E-9: reports a profile that the agent does not offer', async (context) => {
  const faults = [{ name: 'unimplemented', method: 'FetchJWTSVID' }] as const
  const { endpoint } = await startBillingAgent(context, { faults })
  const client = createWorkloadApiClient({ endpoint })
  await assert.rejects(client.fetchJwtSvid({ audience }), { code: 'agent_unsupported', grpcCode: 'UNIMPLEMENTED' })
  assert.equal((await client.fetchX509Svids()).length, 1)
})

test('W-16: uses only the X.509 and JWT methods, and none of an optional profile', () => {
  const methods = Object.values(loadWorkloadService()).map(({ path }) => path)
  assert.deepEqual(methods.toSorted(), [
    '/SpiffeWorkloadAPI/FetchJWTBundles',
    '/SpiffeWorkloadAPI/FetchJWTSVID',
    '/SpiffeWorkloadAPI/FetchX509Bundles',
    '/SpiffeWorkloadAPI/FetchX509SVID',
    '/SpiffeWorkloadAPI/ValidateJWTSVID',
  ])
})

for (const method of ['FetchX509SVID', 'FetchX509Bundles'] as const) {
  test(`W-16: calls an agent without ${method} once, and tells a watcher that this is final`, async (context) => {
    const agent = await startBillingAgent(context, { faults: [{ name: 'unimplemented', method }] })
    const client = createWorkloadApiClient({ endpoint: agent.endpoint })
    const errors: unknown[] = []
    const watcher = { onUpdate: () => assert.fail(), onError: (error: unknown) => errors.push(error) }
    context.after(method === 'FetchX509SVID' ? client.watchX509Svids(watcher) : client.watchX509Bundles(watcher))
    await waitUntil(() => errors.length > 0)
    await agent.heal()
    // Otherwise the next attempt would follow within 250 ms.
    await pause(600)
    assert.deepEqual(
      errors.map((error) => error instanceof AgentError && [error.code, error.isFinal]),
      [['agent_unsupported', true]],
    )
    assert.equal(agent.calls.length, 1)
  })
}
