import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { status } from '@grpc/grpc-js'
import { parseEndpointAddress } from '../../packages/workload-api/src/endpoint/endpoint-address.ts'
import type { AgentError } from '../../packages/workload-api/src/wire/agent-error.ts'
import { loadWorkloadService } from '../../packages/workload-api/src/wire/service.ts'
import { StreamFollower } from '../../packages/workload-api/src/wire/stream-follower.ts'
import { startBillingAgent, startService } from './agent-service.ts'
import { type Script, startScriptedAgent } from './scripted-agent.ts'
import { nextNotice, nextOutcome, pause, waitUntil } from './waiting.ts'

// Internal files, because the intervals of a source would be too long to wait for.

const usable: Script = { messages: [{}] }
const denied: Script = { last: { code: status.PERMISSION_DENIED, details: 'no identity issued' } }
const unavailable: Script = { last: { code: status.UNAVAILABLE, details: 'the agent restarts' } }
const refused: Script = { last: { code: status.INVALID_ARGUMENT, details: 'not this endpoint' } }
const silent: Script = {}
const usableThenDenied: Script = { ...usable, ...denied }

test('does not report a denial that the agent withdraws on the second call', async (context) => {
  const { messages, failures, asked } = await follow(context, [usableThenDenied, usable])
  await waitUntil(() => messages.length === 2)
  await pause(300)
  assert.deepEqual([failures.length, asked()], [0, 2])
})

test('reports a denial once that the agent repeats on the second call, and keeps calling', async (context) => {
  const script = [usableThenDenied, denied, denied, usable]
  const { messages, failures, asked } = await follow(context, script, { denialAnswerMs: 600_000 })
  await waitUntil(() => failures.length === 1)
  assert.deepEqual([failures[0], asked()], ['agent_denied', 2])
  await waitUntil(() => messages.length === 2)
  assert.deepEqual(failures, ['agent_denied', 'agent_denied'])
})

test('a denial counts if the agent hangs instead of withdrawing it in time', async (context) => {
  const { failures, asked } = await follow(context, [usableThenDenied, silent], { denialAnswerMs: 200 })
  await waitUntil(() => failures.length > 0)
  assert.deepEqual([failures, asked()], [['agent_denied'], 2])
})

test('a denial counts if the agent is unavailable instead of withdrawing it in time', async (context) => {
  const { failures } = await follow(context, [usableThenDenied, unavailable], { denialAnswerMs: 200 })
  await waitUntil(() => failures.includes('agent_denied'))
  assert.equal(failures[0], 'agent_unreachable')
  assert.equal(failures.filter((code) => code === 'agent_denied').length, 1)
})

test('a denial counts immediately if the agent refuses further calls', async (context) => {
  const { failures, asked } = await follow(context, [usableThenDenied, refused], { denialAnswerMs: 600_000 })
  await waitUntil(() => failures.length === 2)
  assert.deepEqual([failures, asked()], [['agent_denied', 'agent_refused'], 2])
})

test('an unusable message does not withdraw a denial', async (context) => {
  const unusable: Script = { messages: [{ svids: [{ hint: 'unusable' }] }] }
  const { failures, asked } = await follow(context, [usableThenDenied, unusable], { denialAnswerMs: 200 })
  await waitUntil(() => failures.length > 0)
  assert.deepEqual([failures, asked()], [['agent_denied'], 2])
})

test('each denial after a usable message is confirmed again', async (context) => {
  const script = [usableThenDenied, usableThenDenied, denied]
  const { failures, asked } = await follow(context, script, { denialAnswerMs: 600_000 })
  await waitUntil(() => failures.length > 0)
  assert.deepEqual([failures[0], asked()], ['agent_denied', 3])
})

test('reports a denial before the first usable message immediately', async (context) => {
  const { failures, asked } = await follow(context, [denied, silent])
  await waitUntil(() => failures.length > 0)
  assert.deepEqual([failures[0], asked()], ['agent_denied', 1])
})

test('a follower that is closed while a denial is unconfirmed reports nothing and makes no more calls', async (context) => {
  const options = { denialRetryMs: 200, denialAnswerMs: 200 }
  const { follower, messages, failures, asked } = await follow(context, [usableThenDenied, usable], options)
  await waitUntil(() => messages.length === 1)
  await pause(50)
  follower.close()
  await pause(400)
  assert.deepEqual([failures.length, asked()], [0, 1])
})

for (const method of ['FetchX509SVID', 'FetchX509Bundles'] as const) {
  test(`a watcher of ${method} is notified of a denial only once it is confirmed`, async (context) => {
    const agent = await startBillingAgent(context)
    const client = createWorkloadApiClient({ endpoint: agent.endpoint })
    const heard: string[] = []
    const watcher = {
      onUpdate: () => heard.push('update'),
      onError: (error: unknown) => heard.push(error instanceof Error && 'code' in error ? String(error.code) : ''),
    }
    context.after(method === 'FetchX509SVID' ? client.watchX509Svids(watcher) : client.watchX509Bundles(watcher))
    await waitUntil(() => heard.length === 1)
    await agent.fail('permission_denied', { times: 1 })
    await waitUntil(() => heard.length === 2)
    await agent.fail('permission_denied', { times: 2 })
    await waitUntil(() => heard.length === 4)
    assert.deepEqual(heard, ['update', 'update', 'agent_denied', 'update'])
  })
}

test('an SVID that is denied while the agent hangs is withdrawn', async (context) => {
  const { agent, source } = await startService(context)
  const before = source.current
  await agent.fail('permission_denied', { times: 1 })
  await agent.fail('silent')
  assert.equal(source.current, before)
  const notice = await nextNotice(source)
  assert.deepEqual([notice.outcome, notice.code], ['lost', 'agent_denied'])
  assert.throws(() => source.current, { code: 'agent_denied' })
})

test('calls an agent again that has no entry yet after a restart', async (context) => {
  const { agent, source } = await startService(context)
  const notices: string[] = []
  source.onNotice(({ outcome, code }) => notices.push(code ?? outcome))
  await agent.stop()
  await nextNotice(source, 'agent_unreachable')
  await agent.fail('permission_denied', { times: 1 })
  await agent.start()
  await nextOutcome(source, 'recovered')
  assert.deepEqual(notices, ['agent_unreachable', 'recovered'])
})

interface Followed {
  readonly follower: StreamFollower
  readonly messages: readonly unknown[]
  readonly failures: readonly string[]
  readonly asked: () => number
}

/** Follows an agent that answers the streams in turn according to the scripts, and repeats the last one. */
async function follow(
  context: TestContext,
  scripts: readonly Script[],
  times: { readonly denialRetryMs?: number; readonly denialAnswerMs?: number } = {},
): Promise<Followed> {
  let count = 0
  const { endpoint } = await startScriptedAgent(context, () => scripts[Math.min(count++, scripts.length - 1)] ?? silent)
  const messages: unknown[] = []
  const failures: string[] = []
  const follower = new StreamFollower({
    address: parseEndpointAddress(endpoint),
    service: loadWorkloadService(),
    method: 'FetchX509SVID',
    maxRetryMs: 20,
    denialRetryMs: 20,
    ...times,
    onMessage: (message) => messages.push(message) > 0 && !JSON.stringify(message).includes('unusable'),
    onFailure: ({ code }: AgentError) => failures.push(code),
  })
  context.after(() => follower.close())
  return { follower, messages, failures, asked: () => count }
}
