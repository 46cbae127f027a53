import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { createFolder } from './create-folder.ts'
import { readJsonLines } from './read-json-lines.ts'
import { runInProcess } from './run-in-process.ts'
import { billing, coreApi, startAgentWithPartner } from './start-agent-with-partner.ts'

test('fetch prints what the agent returns', async () => {
  await using agent = await startAgentWithPartner()
  const { exitCode, output, errors } = await runInProcess(['fetch', '--json', '--socket', agent.endpoint])

  assert.deepEqual([exitCode, errors], [0, ''])
  assert.deepEqual(
    readJsonLines(output).map(({ spiffeId }) => spiffeId),
    [coreApi, billing],
  )
})

test('exits with 1 if the agent returns nothing, and with 2 for an invalid command line', async () => {
  await using agent = await startAgentWithPartner()
  await agent.setEntries([])
  const denied = await runInProcess(['fetch', '--socket', agent.endpoint])
  assert.equal(denied.exitCode, 1)
  assert.match(denied.errors, /^countersign: .*PERMISSION_DENIED.*\n$/)

  for (const args of [['fetch', '--socket', 'agent'], ['fetch', '--wach'], ['dev'], []]) {
    const { exitCode, output, errors } = await runInProcess(args)
    assert.deepEqual([exitCode, output], [2, ''], args.join(' '))
    assert.notEqual(errors, '')
  }
})

test('help and version go to stdout with exit code 0', async () => {
  for (const args of [['--help'], ['dev', '--help'], ['fetch', '--help'], ['--version']]) {
    const { exitCode, output, errors } = await runInProcess(args)
    assert.deepEqual([exitCode, errors], [0, ''], args.join(' '))
    assert.notEqual(output, '')
  }
})

test('dev serves several services until its context ends, and removes its socket', async (context) => {
  const socket = join(createFolder(context), 'agent.sock')
  const services = ['--service', 'production/core-api', '--service', 'production/billing']
  const federated = ['--federate', 'partner.example', '--federate', 'other.example']
  const controller = new AbortController()
  const args = ['dev', ...services, ...federated, '--ttl', '1d', '--socket', socket]
  const ending = runInProcess(args, {}, controller.signal)
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20))
  const svids = await createWorkloadApiClient({ endpoint: `unix://${socket}` }).fetchX509Svids()
  assert.deepEqual(
    svids.map(({ hint, material }) => [hint, material.bundles.size]),
    [
      ['production/core-api', 3],
      ['production/billing', 3],
    ],
  )
  const [svid] = svids
  assert.ok((svid?.material.svid.expiresAt ?? 0) > Date.now() + 23 * 3_600_000)
  controller.abort()
  const { exitCode, output } = await ending
  assert.equal(exitCode, 0)
  assert.match(output, /^export SPIFFE_ENDPOINT_SOCKET=unix:\/\//)
  assert.equal(existsSync(socket), false)
})
