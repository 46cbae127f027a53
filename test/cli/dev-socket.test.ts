import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { createFolder } from './create-folder.ts'
import { runCommand, startCommand } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'

test('puts the socket into a private XDG_RUNTIME_DIR, under the same name each time', async (t) => {
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

test('does not use an XDG_RUNTIME_DIR that others can read', async (t) => {
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

test('exits with 1 if the socket is in use, and leaves it in use', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--socket', socket]
  await using dev = startCommand(args)
  await dev.waitFor(/^export /)
  const second = await runInProcess(args)

  assert.equal(second.exitCode, 1)
  assert.equal(second.output, '')
  assert.match(second.errors, /^countersign: .*agent\.sock.*\n$/)
  assert.equal((await runInProcess(['fetch', '--socket', `unix://${socket}`])).exitCode, 0)
})

test('replaces the socket of a killed dev', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--socket', socket]
  {
    await using killed = startCommand(args)
    await killed.waitFor(/^export /)
  }
  assert.ok(existsSync(socket))
  await using dev = startCommand(args)
  await dev.waitFor(/^export /)
  assert.equal((await runInProcess(['fetch', '--socket', `unix://${socket}`])).exitCode, 0)
  assert.equal(await dev.stop(), 0)
  assert.ok(!existsSync(socket))
})

// On other systems a full queue looks like a dead server.
const isLinux = process.platform === 'linux'

test('refuses and keeps the socket of a server that is too busy to accept', { skip: !isLinux }, async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const listen = `require('net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => console.log())`
  const busy = spawn(process.execPath, ['-e', listen, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  const waiting: Socket[] = []
  t.after(() => {
    for (const connection of waiting) connection.destroy()
    busy.kill('SIGKILL')
  })
  await once(busy.stdout, 'data')
  busy.kill('SIGSTOP')
  for (let isFull = false; !isFull;) {
    const connection = connect(socket)
    waiting.push(connection)
    isFull = await once(connection, 'connect').then(
      () => false,
      () => true,
    )
  }
  const inode = statSync(socket).ino
  const { exitCode } = await runInProcess(['dev', '--service', 'production/core-api', '--socket', socket])

  assert.equal(exitCode, 1)
  assert.equal(statSync(socket).ino, inode)
})

test('keeps a file that replaced its removed socket when it exits', async (t) => {
  const socket = join(createFolder(t), 'agent.sock')
  const args = ['dev', '--service', 'production/core-api', '--socket', socket]
  await using first = startCommand(args)
  await first.waitFor(/^export /)
  rmSync(socket)
  await using second = startCommand(args)
  await second.waitFor(/^export /)

  assert.equal(await first.stop(), 0)
  assert.equal((await runInProcess(['fetch', '--socket', `unix://${socket}`])).exitCode, 0)
  assert.equal(await second.stop(), 0)
  assert.ok(!existsSync(socket))
})

test('refuses and keeps a file at the path of the socket', async (t) => {
  const path = join(createFolder(t), 'agent.sock')
  writeFileSync(path, 'mine')
  const { exitCode, errors } = await runInProcess(['dev', '--service', 'production/core-api', '--socket', path])

  assert.equal(exitCode, 1)
  assert.match(errors, /^countersign: .+\n$/)
  assert.ok(statSync(path).isFile())
})

test('refuses a missing folder, and a path that is too long for a socket', async (t) => {
  const folder = createFolder(t)
  for (const path of [join(folder, 'none', 'agent.sock'), join(folder, 'a'.repeat(108))]) {
    const { exitCode, errors } = await runInProcess(['dev', '--service', 'production/core-api', '--socket', path])
    assert.equal(exitCode, 1)
    assert.match(errors, /^countersign: .+\n$/)
  }
  assert.deepEqual(readdirSync(folder), [])
})

test(
  'a shell can evaluate the export line whatever the folder name',
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

test('dev listens on a free loopback port for clients that cannot use a Unix socket', async (t) => {
  const folder = createFolder(t)
  const args = ['dev', '--service', 'production/core-api', '--socket', 'tcp://127.0.0.1:0']
  await using dev = startCommand(args, { TMPDIR: folder, XDG_RUNTIME_DIR: folder })
  const [, endpoint = ''] = await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(tcp:\/\/127\.0\.0\.1:[1-9]\d*)\n/)
  const fetched = await runInProcess(['fetch', '--socket', endpoint])
  assert.match(fetched.output, /^spiffe:\/\/dev\.example\/ns\/production\/sa\/core-api\n/)
  assert.deepEqual(readdirSync(folder), [])
  const second = await runInProcess(['dev', '--service', 'production/core-api', '--socket', endpoint])
  assert.equal(second.exitCode, 1)
  assert.ok(second.errors.includes(endpoint))
  assert.equal(await dev.stop(), 0)
})

test('dev on a port warns that every account on the machine gets every SVID', async () => {
  await using dev = startCommand(['dev', '--service', 'production/core-api', '--socket', 'tcp://127.0.0.1:0'])
  await dev.waitFor(/^export /)
  assert.equal(await dev.stop(), 0)
  assert.match(dev.errors, /every account on this machine/)
})

for (const place of [
  'tcp://0.0.0.0:8081',
  'tcp://localhost:8081',
  'tcp://127.0.0.1',
  'tcp://127.0.0.1:65536',
  'tcp://127.0.0.2:1',
  'tcp:127.0.0.1:1',
  'unix:///tmp/agent.sock',
]) {
  test(`dev refuses to listen at ${place}`, async () => {
    const { exitCode, errors } = await runInProcess(['dev', '--service', 'production/core-api', '--socket', place])
    assert.equal(exitCode, 2)
    assert.match(errors, /--socket: found '.*', expected .*tcp:\/\/127\.0\.0\.1:<port>/)
  })
}
