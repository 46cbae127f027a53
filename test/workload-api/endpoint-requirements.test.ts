import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Agent } from '@countersign/testkit/workload-api'
import { AgentError, createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'
import { Client, credentials, status } from '@grpc/grpc-js'
import { billing, openSource, startBillingAgent, startService } from './agent-service.ts'
import { nextNotice, nextOutcome, pause, waitUntil } from './waiting.ts'

for (const endpoint of [undefined, 'tcp://127.0.0.1:0'] as const) {
  test(`E-1: speaks gRPC without TLS, on ${endpoint === undefined ? 'a Unix socket' : 'TCP'}`, async (context) => {
    const agent = await startBillingAgent(context, endpoint === undefined ? {} : { endpoint })
    const source = await openSource(context, agent)
    assert.equal(source.current.svid.spiffeId.toString(), billing)
    assert.match(agent.endpoint, endpoint === undefined ? /^unix:/ : /^tcp:/)
  })
}

test('E-2: sends the security header with every method', async (context) => {
  const { agent } = await startService(context)
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  await client.fetchX509Svids()
  await client.fetchX509Bundles()
  await client.fetchJwtBundles()
  const { token } = await client.fetchJwtSvid({ audience: ['billing'] })
  await client.validateJwtSvid({ audience: 'billing', token })
  assert.deepEqual(
    new Set(agent.calls.map(({ method }) => method)),
    new Set(['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles', 'FetchJWTSVID', 'ValidateJWTSVID']),
  )
  assert.ok(agent.calls.every(({ hasHeader }) => hasHeader))
})

test('E-3: a source without options finds the agent by SPIFFE_ENDPOINT_SOCKET', async (context) => {
  const agent = await startBillingAgent(context)
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
  context.after(() => delete process.env['SPIFFE_ENDPOINT_SOCKET'])
  await using source = await workloadApiSource()
  assert.equal(source.current.svid.spiffeId.toString(), billing)
})

for (const [row, fault, code, grpcCode] of [
  ['E-6', 'invalid_argument', 'agent_refused', 'INVALID_ARGUMENT'],
  ['E-9', 'unimplemented', 'agent_unsupported', 'UNIMPLEMENTED'],
] as const) {
  test(`${row}: reports ${fault} at startup immediately, and does not retry`, async (context) => {
    const agent = await startBillingAgent(context, { faults: [{ name: fault }] })
    await assert.rejects(workloadApiSource({ endpoint: agent.endpoint, maxRetryMs: 5 }), (error) => {
      assert.ok(error instanceof Error && 'code' in error && error.cause instanceof AgentError)
      assert.deepEqual([error.code, error.cause.grpcCode], [code, grpcCode])
      assert.ok(error.message.includes(agent.endpoint) && error.message.includes(grpcCode))
      return true
    })
    await expectNoFurtherCall(agent)
  })

  test(`${row}: ${fault} while a source is open stops the retries, and the current material stays in use`, async (context) => {
    const { agent, source } = await startService(context)
    const before = source.current
    await agent.fail(fault)
    const notice = await nextNotice(source)
    assert.deepEqual([notice.outcome, notice.code], ['refused', code])
    await expectNoFurtherCall(agent)
    assert.equal(source.current, before)
  })
}

test('E-7: retries Unavailable at startup until the agent answers', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'unavailable', times: 3 }] })
  const source = await openSource(context, agent)
  assert.equal(source.current.svid.spiffeId.toString(), billing)
  assert.equal(agent.calls.length, 4)
})

test('E-7: reports Unavailable once while it lasts, and each time that it starts', async (context) => {
  const { agent, source } = await startService(context)
  const told: string[] = []
  source.onNotice(({ outcome, code }) => told.push(code ?? outcome))
  for (const round of [1, 2]) {
    const calls = agent.calls.length
    await agent.fail('unavailable')
    await waitUntil(() => agent.calls.length > calls + 3)
    const recovered = nextOutcome(source, 'recovered')
    await agent.heal()
    await recovered
    assert.equal(told.length, round * 2)
  }
  assert.deepEqual(told, ['agent_unreachable', 'recovered', 'agent_unreachable', 'recovered'])
})

test('E-8: retries PermissionDenied at startup until there is an entry', async (context) => {
  const agent = await startBillingAgent(context, { entries: [] })
  const opening = openSource(context, agent)
  await waitUntil(() => agent.calls.length > 2)
  await agent.setEntries([{ spiffeId: billing }])
  assert.equal((await opening).current.svid.spiffeId.toString(), billing)
})

test('E-8: reports PermissionDenied with its likely cause after the time that the source waits', async (context) => {
  const agent = await startBillingAgent(context, { entries: [] })
  await assert.rejects(workloadApiSource({ endpoint: agent.endpoint, timeoutMs: 1000 }), (error) => {
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, 'agent_denied')
    for (const part of ['1000 ms', agent.endpoint, 'PERMISSION_DENIED', 'registration entry']) {
      assert.ok(error.message.includes(part), `found no '${part}' in: ${error.message}`)
    }
    return true
  })
})

test('E-10: works with an agent without reflection, and never requests it', async (context) => {
  const agent = await startBillingAgent(context)
  assert.equal(await askForReflection(context, agent), status.UNIMPLEMENTED)
  const source = await openSource(context, agent)
  assert.equal(source.current.svid.spiffeId.toString(), billing)
  assert.equal((await createWorkloadApiClient({ endpoint: agent.endpoint }).fetchX509Svids()).length, 1)
})

/** The status with which a call for the services of an agent ends. */
function askForReflection(context: TestContext, { endpoint }: Agent): Promise<status> {
  const client = new Client(endpoint.replace('unix://', 'unix:'), credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  context.after(() => client.close())
  const call = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (request: Buffer) => request,
    (response: Buffer) => response,
  )
  return new Promise((resolve) => {
    call.on('error', () => undefined)
    call.on('status', ({ code }: { readonly code: status }) => resolve(code))
    call.resume()
    call.end()
  })
}

// A source that retries does so within 20 ms.
async function expectNoFurtherCall(agent: Agent): Promise<void> {
  const { length } = agent.calls
  await agent.heal()
  await pause(200)
  assert.equal(agent.calls.length, length)
}
