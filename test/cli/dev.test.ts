import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { readJsonLines, readRecords } from './read-json-lines.ts'
import { runCommand, startCommand } from './run-command.ts'

const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const billing = 'spiffe://saas.example/ns/production/sa/billing'

test('what dev gives is what fetch shows: the services, their hints and the bundle of the partner', async (t) => {
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
  await dev.waitFor(/never for production/, 'errors')
})

test('each SVID is announced once when it is issued and once at each rotation', async (t) => {
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

test('with --json every line is an object, the first with the endpoint', async (t) => {
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
  test(`${signal} ends dev with 0, and leaves nothing behind, also when it comes twice`, async (t) => {
    const folder = createFolder(t)
    await using dev = startCommand(['dev', '--service', 'production/core-api'], { TMPDIR: folder })
    const [, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=unix:\/\/(.+)\n/)
    assert.ok(endpoint.startsWith(folder))
    assert.equal(statSync(join(endpoint, '..')).mode & 0o777, 0o700)

    dev.child.kill(signal)
    assert.equal(await dev.stop(signal), 0)
    // The tool that runs the sources, where it is not what was built that is run, keeps its own things there.
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.startsWith('tsx-')),
      [],
    )
  })
}

test('dev ends without a trace when nobody reads it any more', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--ttl', '1s', '--socket', socket])
  await dev.waitFor(/^export /)
  dev.child.stdout.destroy()

  assert.equal(await dev.wait(), 0)
  assert.ok(!existsSync(socket))
})

test('a private XDG_RUNTIME_DIR is the place of the socket, with the same name each time', async (t) => {
  const folder = createFolder(t)
  const endpoints: (string | undefined)[] = []
  for (let start = 0; start < 2; start += 1) {
    await using dev = startCommand(['dev', '--service', 'production/core-api'], { XDG_RUNTIME_DIR: folder })
    endpoints.push((await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(.+)\n/))[1])
    assert.equal(await dev.stop(), 0)
  }
  assert.deepEqual(endpoints, Array(2).fill(`unix://${folder}/countersign-dev.sock`))
  assert.deepEqual(readdirSync(folder), [])
})

test('an XDG_RUNTIME_DIR that others can look into is not used', async (t) => {
  const folder = createFolder(t)
  const shared = join(folder, 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o755)
  await using dev = startCommand(['dev', '--service', 'production/core-api'], {
    TMPDIR: folder,
    XDG_RUNTIME_DIR: shared,
  })
  const [, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=unix:\/\/(.+)\n/)
  assert.ok(!endpoint.startsWith(shared))
  assert.equal(await dev.stop(), 0)
})

test('a socket in use is refused with exit code 1, and stays in use', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--socket', socket]
  await using dev = startCommand(args)
  await dev.waitFor(/^export /)
  const second = await runCommand(args)

  assert.equal(second.exitCode, 1)
  assert.equal(second.output, '')
  assert.match(second.errors, /^countersign: .*agent\.sock.*\n$/)
  assert.equal((await runCommand(['fetch', '--socket', `unix://${socket}`])).exitCode, 0)
})

test('the socket of a dev that was killed is replaced', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--socket', socket]
  {
    await using killed = startCommand(args)
    await killed.waitFor(/^export /)
  }
  assert.ok(existsSync(socket))
  await using dev = startCommand(args)
  await dev.waitFor(/^export /)
  assert.equal((await runCommand(['fetch', '--socket', `unix://${socket}`])).exitCode, 0)
  assert.equal(await dev.stop(), 0)
  assert.ok(!existsSync(socket))
})

test('a file in the place of the socket is refused and stays', async (t) => {
  const path = join(createFolder(t), 'agent.sock')
  writeFileSync(path, 'mine')
  const { exitCode, errors } = await runCommand(['dev', '--service', 'production/core-api', '--socket', path])

  assert.equal(exitCode, 1)
  assert.match(errors, /^countersign: .+\n$/)
  assert.ok(statSync(path).isFile())
})

test('a folder that is not there, and a path that is too long for a socket, are refused', async (t) => {
  const folder = createFolder(t)
  for (const path of [join(folder, 'none', 'agent.sock'), join(folder, 'a'.repeat(108))]) {
    const { exitCode, errors } = await runCommand(['dev', '--service', 'production/core-api', '--socket', path])
    assert.equal(exitCode, 1)
    assert.match(errors, /^countersign: .+\n$/)
  }
  assert.deepEqual(readdirSync(folder), [])
})

test(
  'a shell reads the export line whatever the name of the folder',
  { skip: process.platform === 'win32' },
  async (t) => {
    const folder = join(createFolder(t), "it's $HOME; 100% (é)")
    mkdirSync(folder)
    await using dev = startCommand(['dev', '--service', 'production/core-api', '--socket', join(folder, 'a b.sock')])
    const [line] = await dev.waitFor(/^export .+\n/)
    const endpoint = execFileSync('sh', ['-c', `${line}printf %s "$SPIFFE_ENDPOINT_SOCKET"`], { encoding: 'utf8' })

    assert.ok(existsSync(join(folder, 'a b.sock')))
    assert.equal((await runCommand(['fetch'], { SPIFFE_ENDPOINT_SOCKET: endpoint })).exitCode, 0)
  },
)

function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
