import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Agent } from '@countersign/testkit/workload-api'
import { parseEndpointAddress } from '../../packages/workload-api/src/endpoint/endpoint-address.ts'
import type { AgentError } from '../../packages/workload-api/src/wire/agent-error.ts'
import { loadWorkloadService } from '../../packages/workload-api/src/wire/service.ts'
import { StreamFollower } from '../../packages/workload-api/src/wire/stream-follower.ts'
import { startBillingAgent } from './agent-service.ts'
import { pause, waitUntil } from './waiting.ts'

// Internal files, because a source waits for 30 s.

test('reports an agent that accepts the call and sends nothing, retries, and accepts its later answer', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'silent', times: 2 }] })
  const { messages, failures } = follow(context, agent, 500)
  await waitUntil(() => messages.length === 1)
  // On a busy machine there may be more failures before the message.
  assert.ok(failures.length >= 2)
  assert.deepEqual(
    failures.map(({ code, grpcCode, isFinal, endpoint }) => [code, grpcCode, isFinal, endpoint]),
    failures.map(() => ['agent_unreachable', 'DEADLINE_EXCEEDED', false, agent.endpoint]),
  )
  assert.equal(agent.calls.length, failures.length + 1)
})

test('a stream may be silent indefinitely after its first message', async (context) => {
  const agent = await startBillingAgent(context)
  const { messages, failures } = follow(context, agent, 3000)
  await waitUntil(() => messages.length === 1)
  await pause(3300)
  assert.deepEqual(failures, [])
  await agent.rotate()
  await waitUntil(() => messages.length === 2)
  assert.equal(agent.calls.length, 1)
})

test('a follower that is closed during silence reports nothing and makes no more calls', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'silent' }] })
  const { follower, failures } = follow(context, agent, 2000)
  await waitUntil(() => agent.calls.length === 1)
  follower.close()
  await pause(2300)
  assert.deepEqual([failures.length, agent.calls.length], [0, 1])
})

interface Followed {
  readonly follower: StreamFollower
  readonly messages: readonly unknown[]
  readonly failures: readonly AgentError[]
}

function follow(context: TestContext, { endpoint }: Agent, mostSilenceMs: number): Followed {
  const messages: unknown[] = []
  const failures: AgentError[] = []
  const follower = new StreamFollower({
    address: parseEndpointAddress(endpoint),
    service: loadWorkloadService(),
    method: 'FetchX509SVID',
    maxRetryMs: 20,
    mostSilenceMs,
    onMessage: (message) => messages.push(message) > 0,
    onFailure: (error) => failures.push(error),
  })
  context.after(() => follower.close())
  return { follower, messages, failures }
}
