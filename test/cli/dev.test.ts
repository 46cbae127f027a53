import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { createFolder } from './create-folder.ts'
import { readJsonLines, readRecords } from './read-json-lines.ts'
import { runCommand, startCommand } from './run-command.ts'

const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const billing = 'spiffe://saas.example/ns/production/sa/billing'

test("fetch shows what dev serves: the services, their hints and the partner's bundle", async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const services = ['--service', 'production/core-api', '--service', 'production/billing']
  const trust = ['--trust-domain', 'saas.example', '--federate', 'partner.example']
  await using dev = startCommand(['dev', ...trust, ...services, '--socket', socket])
  const [line, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(.+)\n/)

  assert.ok(dev.output.startsWith(line))
  assert.equal(endpoint, `unix://${socket}`)
  assert.equal(statSync(socket).mode & 0o777, 0o600)
  const { exitCode, output } = await runCommand(['fetch', '--json'], { SPIFFE_ENDPOINT_SOCKET: endpoint })
  assert.equal(exitCode, 0)
  const svids = readJsonLines(output)
  assert.deepEqual(
    svids.map(({ event, spiffeId, hint }) => [event, spiffeId, hint]),
    [
      ['svid', coreApi, 'production/core-api'],
      ['svid', billing, 'production/billing'],
    ],
  )
  for (const { bundles } of svids) {
    const found = readRecords(bundles).map(({ trustDomain, isFederated }) => [trustDomain, isFederated])
    assert.deepEqual(found, [
      ['saas.example', false],
      ['partner.example', true],
    ])
  }
  await dev.waitFor(/for development only/, 'errors')
})

test('announces each SVID once when it is issued and once per rotation', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--ttl', '2s', '--socket', socket])
  await dev.waitFor(/(?:.*\n){4}/)

  const [first = '', ...lines] = dev.output.trimEnd().split('\n')
  assert.match(first, /^export /)
  assert.deepEqual(
    lines.slice(0, 3).map((line) => /^\S+Z {2}(issued|rotated) +(\S+) /.exec(line)?.slice(1)),
    ['issued', 'rotated', 'rotated'].map((what) => [what, 'spiffe://dev.example/ns/production/sa/core-api']),
  )
  const serials = lines.map((line) => / serial (\S+) /.exec(line)?.[1])
  assert.equal(new Set(serials).size, lines.length)
})

test('--json prints an object per line, the first with the endpoint', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--federate', 'partner.example', '--ttl', '2s']
  await using dev = startCommand([...args, '--socket', socket, '--json'])
  await dev.waitFor(/(?:.*\n){3}/)
  assert.equal(await dev.stop(), 0)

  const [listening, ...svids] = readJsonLines(dev.output)
  assert.deepEqual(listening, {
    event: 'listening',
    endpoint: `unix://${socket}`,
    trustDomain: 'dev.example',
    federatesWith: ['partner.example'],
  })
  assert.deepEqual(
    svids.slice(0, 2).map(({ event }) => event),
    ['issued', 'rotated'],
  )
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} stops dev with exit code 0 and leaves nothing behind, even if sent twice`, async (t) => {
    const folder = createFolder(t)
    await using dev = startCommand(['dev', '--service', 'production/core-api'], { TMPDIR: folder })
    const [, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=unix:\/\/(.+)\n/)
    assert.ok(endpoint.startsWith(folder))
    assert.equal(statSync(join(endpoint, '..')).mode & 0o777, 0o700)

    dev.child.kill(signal)
    assert.equal(await dev.stop(signal), 0)
    // The loader for the sources, if the tests do not run built code, writes its own files there.
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.startsWith('tsx-')),
      [],
    )
  })
}

test('dev exits and cleans up when its reader is gone', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--ttl', '1s', '--socket', socket])
  await dev.waitFor(/^export /)
  dev.child.stdout.destroy()

  assert.equal(await dev.wait(), 0)
  assert.ok(!existsSync(socket))
})
