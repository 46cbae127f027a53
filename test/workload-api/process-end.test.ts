import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startBillingAgent } from './agent-service.ts'
import { pause, waitUntil } from './waiting.ts'

const prologue = "import { createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'\n"

for (const [name, script] of [
  ['has closed its source', 'const source = await workloadApiSource()\nawait source.close()'],
  [
    'has closed a source that is still looking for its agent',
    "const source = await workloadApiSource({ startWithoutSvid: true, endpoint: 'unix:///run/nobody.sock' })\nawait source.close()",
  ],
  [
    'was refused a source in time',
    "await workloadApiSource({ endpoint: 'unix:///run/nobody.sock', timeoutMs: 50 }).catch(() => undefined)",
  ],
  [
    'has made its calls',
    "const client = createWorkloadApiClient()\nawait client.fetchX509Svids()\nawait client.fetchX509Bundles()\nawait client.fetchJwtSvid({ audience: ['billing'] })",
  ],
  [
    'has stopped watching',
    'await new Promise((resolve) => {\n  const stop = createWorkloadApiClient().watchX509Bundles({ onUpdate: () => resolve(stop()) })\n})',
  ],
] as const) {
  test(`a process that ${name} exits by itself`, async (context) => {
    const { endpoint } = await startBillingAgent(context)
    const child = spawnScript(context, endpoint, script)
    const output = text(child.stdout)
    await once(child, 'close')
    assert.equal(await output, 'done\n')
    assert.deepEqual([child.exitCode, child.signalCode], [0, null])
  })
}

test('a process whose source is open does not exit while the agent is unavailable', async (context) => {
  const agent = await startBillingAgent(context)
  const child = spawnScript(context, agent.endpoint, 'await workloadApiSource()')
  let isOver = false
  child.once('close', () => (isOver = true))
  await once(child.stdout, 'data')
  await agent.stop()
  await pause(300)
  assert.equal(isOver, false)
  const calls = agent.calls.length
  await agent.start()
  await waitUntil(() => agent.calls.length > calls)
})

function spawnScript(
  context: TestContext,
  endpoint: string,
  script: string,
): ChildProcessByStdio<null, Readable, null> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', `${prologue}${script}\nconsole.log('done')`],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  context.after(() => child.kill('SIGKILL'))
  return child
}
