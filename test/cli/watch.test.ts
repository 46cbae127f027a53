import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import test from 'node:test'
import { readJsonLines } from './read-json-lines.ts'
import { runCommand, startCommand } from './run-command.ts'
import { coreApi, startAgentWithPartner } from './start-agent-with-partner.ts'

test('--watch shows each rotation of dev as a line, and exits with 0 on SIGINT', async () => {
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--ttl', '2s'])
  const [, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(.+)\n/)
  await using watch = startCommand(['fetch', '--watch'], { SPIFFE_ENDPOINT_SOCKET: endpoint })
  await watch.waitFor(/^\S+ {2}update 3 .*\n/m)

  assert.equal(await watch.stop('SIGINT'), 0)
  assert.equal(watch.errors, '')
  const lines = watch.output.trimEnd().split('\n')
  assert.ok(lines.every((line) => / expires \S+Z, (?:in \d s|expired )/.test(line)))
  assert.equal(new Set(lines.map((line) => / serial (\S+) /.exec(line)?.[1])).size, lines.length)
  assert.equal(await dev.stop(), 0)
})

test('--watch --json numbers the updates and reports errors, also on stdout', async () => {
  await using agent = await startAgentWithPartner()
  await using watch = startCommand(['fetch', '--watch', '--json', '--socket', agent.endpoint])
  await watch.waitFor(/"update":1.*billing/)
  await agent.rotate()
  await watch.waitFor(/"update":2.*billing/)
  await agent.setEntries([])
  await watch.waitFor(/"failure"/)
  await agent.setEntries([{ spiffeId: coreApi }])
  await watch.waitFor(/"update":3/)

  assert.equal(await watch.stop('SIGINT'), 0)
  const events = readJsonLines(watch.output)
  assert.deepEqual(
    events.map(({ event, update, grpcStatus }) => [event, update ?? grpcStatus]),
    [...[1, 1, 2, 2].map((update) => ['svid', update]), ['failure', 'PERMISSION_DENIED'], ['svid', 3]],
  )
  assert.match(watch.errors, /^countersign: .*PERMISSION_DENIED.*\n$/)
})

test('--watch keeps running while the agent is unavailable, and reports it once', async () => {
  await using agent = await startAgentWithPartner()
  await using watch = startCommand(['fetch', '--watch', '--socket', agent.endpoint])
  await watch.waitFor(/update 1 .*billing/)
  await agent.stop()
  await watch.waitFor(/UNAVAILABLE/, 'errors')
  await agent.start()
  await watch.waitFor(/update 2 .*billing/)

  assert.equal(await watch.stop(), 0)
  assert.match(watch.errors, /^(?:countersign: .*\n)+$/)
})

test('--watch exits with 1 if the agent rejects the request itself', async () => {
  await using agent = await startAgentWithPartner()
  await agent.fail('invalid_argument')
  const { exitCode, errors } = await runCommand(['fetch', '--watch', '--socket', agent.endpoint])

  assert.equal(exitCode, 1)
  assert.match(errors, /^countersign: .*INVALID_ARGUMENT.*\n$/)
})

test('fetch does not fail when its reader is gone', async () => {
  await using agent = await startAgentWithPartner()
  await using fetch = startCommand(['fetch', '--watch', '--socket', agent.endpoint])
  await fetch.waitFor(/update 1 /)
  fetch.child.stdout.destroy()
  await agent.rotate()

  assert.equal(await fetch.wait(), 0)
  assert.equal(fetch.errors, '')
  assert.ok(existsSync(new URL(agent.endpoint.replace('unix:', 'file:'))))
})
