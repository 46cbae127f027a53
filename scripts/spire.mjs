/**
 * `npm run test:spire`: the demo and a rotation on a real SPIRE, which is started on loopback. Skipped with a message
 * if spire-server and spire-agent are not on the PATH.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { build, install, root } from './setup.mjs'

const missing = ['spire-server', 'spire-agent'].filter((program) => spawnSync(program, ['--version']).error)
if (missing.length > 0) {
  process.stdout.write(
    `${missing.join(' and ')} not found on the PATH. Releases are at https://github.com/spiffe/spire/releases: unpack one and add its bin folder to PATH.\nskipped\n`,
  )
  process.exit(0)
}

install()
build(
  'packages/cli',
  'packages/core',
  'packages/testkit',
  'packages/fastify',
  'packages/express',
  'packages/workload-api',
)

const folder = mkdtempSync(join(tmpdir(), 'countersign-spire-'))
const at = (name) => join(folder, name)
const serverSocket = at('server.sock')
const endpoint = `unix://${at('agent.sock')}`
const children = []
try {
  await test()
  process.stdout.write('the demo and a rotation passed on SPIRE\n')
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
} finally {
  for (const child of children.toReversed()) await end(child)
  rmSync(folder, { recursive: true, force: true })
}

async function test() {
  const port = await findPort()
  writeFileSync(at('server.conf'), serverConfiguration(port))
  writeFileSync(at('agent.conf'), agentConfiguration(port))
  start('spire-server', ['run', '-config', at('server.conf')])
  await until('the server', () => succeeds('spire-server', ['healthcheck', '-socketPath', serverSocket]))

  const node = 'spiffe://saas.example/node'
  const token = /Token: (\S+)/.exec(
    run('spire-server', ['token', 'generate', '-socketPath', serverSocket, '-spiffeID', node]),
  )
  const serviceId = 'spiffe://saas.example/ns/production/sa/billing-service'
  const parent = ['-socketPath', serverSocket, '-parentID', node]
  const workload = ['-spiffeID', serviceId, '-selector', `unix:uid:${process.getuid()}`, '-x509SVIDTTL', '60']
  run('spire-server', ['entry', 'create', ...parent, ...workload])
  start('spire-agent', ['run', '-config', at('agent.conf'), '-joinToken', token?.[1] ?? ''])
  await until('the agent', () => succeeds('spire-agent', ['healthcheck', '-socketPath', at('agent.sock')]))
  await until('an SVID', () => succeeds(process.execPath, [join(root, 'packages/cli/dist/main.js'), 'fetch']))

  process.stdout.write(run(process.execPath, ['--import', 'tsx', 'examples/internal-api/src/main.ts']))
  const serials = await watchRotation()
  process.stdout.write(`SVIDs of 60 seconds, serial numbers seen: ${serials.join(', ')}\n`)
}

/** The serial numbers of an SVID and of its replacement. */
async function watchRotation() {
  const child = spawn(
    process.execPath,
    [join(root, 'packages/cli/dist/main.js'), 'fetch', '--watch', '--json'],
    environment(),
  )
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  const find = () => [...new Set([...text.matchAll(/"serialNumber":"([0-9a-f]+)"/g)].map((found) => found[1]))]
  await until('a rotation', () => find().length > 1, 90)
  return find()
}

function serverConfiguration(port) {
  return `server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${serverSocket}"
  trust_domain = "saas.example"
  data_dir = "${at('server')}"
  log_level = "WARN"
  ca_ttl = "1h"
  default_x509_svid_ttl = "60s"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3", connection_string = "${at('server.sqlite3')}" } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
}
`
}

function agentConfiguration(port) {
  return `agent {
  server_address = "127.0.0.1"
  server_port = "${port}"
  socket_path = "${at('agent.sock')}"
  trust_domain = "saas.example"
  data_dir = "${at('agent')}"
  log_level = "WARN"
  insecure_bootstrap = true
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`
}

function environment() {
  return { cwd: root, env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint } }
}

function start(program, args) {
  children.push(spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }))
}

function succeeds(program, args) {
  return spawnSync(program, args, environment()).status === 0
}

function run(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { ...environment(), encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} exited with ${status}:\n${stdout}${stderr}`)
}

async function until(what, isThere, seconds = 30) {
  for (let attempt = 0; attempt < seconds * 4; attempt += 1) {
    if (isThere()) return
    await setTimeout(250)
  }
  throw new Error(`${what} did not appear within ${seconds} seconds`)
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await Promise.race([ended, setTimeout(5000).then(() => child.kill('SIGKILL'))])
}

async function findPort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
