/**
 * `npm run test:matrix`: the tests under each supported Node.js. Only the tests use that runtime; installing and
 * building use the Node that runs this script.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, cache, fail, install, runTool } from './setup.mjs'
import { runTests } from './test/run-tests.mjs'

const majors = ['20', '22', '24', '26']

install()
build()
const results = []
for (const major of majors) {
  const node = installNode(major)
  process.stdout.write(`\nNode.js ${node.version}\n`)
  const code = await runTests(process.argv.slice(2), node.path)
  if (code === 130) process.exit(code)
  results.push(`Node.js ${node.version.padEnd(10)} ${code === 0 ? 'passed' : 'FAILED'}`)
  if (code !== 0) process.exitCode = 1
}
process.stdout.write(`\n${results.join('\n')}\n`)

/** The npm package `node` contains the runtime itself; each major version has its own folder. */
function installNode(major) {
  const folder = join(cache, 'nodes', major)
  const path = join(folder, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const found = readVersion(path)
  if (found !== undefined) return { path, version: found }
  mkdirSync(folder, { recursive: true })
  const done = runTool('npm', ['install', '--prefix', folder, '--no-save', '--no-package-lock', `node@${major}`])
  const version = readVersion(path)
  if (version?.startsWith(`v${major}.`)) return { path, version }
  process.stderr.write(done.output)
  return fail(`Could not install Node.js ${major} from the npm package node@${major} into ${folder} (output above).`)
}

function readVersion(path) {
  const done = runTool(path, ['--version'])
  return done.status === 0 ? done.output.trim() : undefined
}
