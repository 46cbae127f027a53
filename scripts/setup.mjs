/**
 * The first step of every script: install the dependencies if they are missing or out of date, then build. Steps that
 * take longer than two seconds show progress; output is shown only if something fails. Plain JavaScript without
 * dependencies, because nothing is installed on a fresh clone.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

// Not import.meta.dirname, because an older Node.js has to reach the message about its version.
export const root = fileURLToPath(new URL('..', import.meta.url))
export const cache = join(root, 'node_modules/.cache/countersign')

const pnpm = 'pnpm@10.34.9'
const leastNode = [20, 19]

/** Exits the script with a message that describes what to do. */
export function fail(message) {
  process.stderr.write(`\n${message}\n`)
  process.exit(1)
}

/** Installs the content of pnpm-lock.yaml unless exactly that is installed. */
export function install() {
  checkNode()
  installFrom(root, [])
}

/** Installs the tools of a folder outside of the workspace, for the one command that needs them. */
export function installTools(folder) {
  checkNode()
  installFrom(folder, ['--ignore-workspace', '--ignore-scripts', `--dir=${relative(root, folder)}`])
}

function installFrom(folder, more) {
  const stamp = join(folder, 'node_modules/.cache/countersign/installed')
  const wanted = createHash('sha256')
    .update(readFileSync(join(folder, 'pnpm-lock.yaml')))
    .digest('hex')
  if (readText(stamp) === wanted) return
  const what = folder === root ? 'dependencies' : `tools of ${relative(root, folder)}`
  process.stderr.write(`Installing the ${what}; the first time, this takes half a minute.\n`)
  // Replaces a modules folder of another pnpm without a prompt, because there may be no terminal.
  const args = ['--yes', pnpm, 'install', '--frozen-lockfile', '--config.confirmModulesPurge=false', ...more]
  const status = runShown('installing', 'npx', [...args, '--reporter=append-only'])
  if (status === 127) {
    fail('npx was not found. It comes with npm: install Node.js together with npm and run this again.')
  }
  if (status !== 0) {
    fail(
      `Installing with ${pnpm} failed (its output is above).\n` +
        'If it could not reach the registry, check the network, `npm config get registry` and your proxy.\n' +
        `If it says that pnpm-lock.yaml is out of date, run \`npx ${pnpm} install\` and commit the lockfile.`,
    )
  }
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, wanted)
}

/** Writes the code that the compiler cannot produce, if its sources have changed. */
export function generate() {
  const { status, output } = runNode(['scripts/generate.mjs'])
  if (status !== 0) fail(`Generating code for @countersign/policy failed:\n${output}`)
}

/** Compiles the given projects and their references, or the whole workspace by default. */
export function build(...projects) {
  generate()
  const args = ['node_modules/typescript/bin/tsc', '-b', ...projects]
  if (runShown('compiling', process.execPath, args) === 0) return
  fail(
    'The build (tsc -b) failed: fix the errors above. If tsc itself is missing, delete node_modules and run this again.',
  )
}

/** Runs a command and shows its progress. In an intermediate process, because this one blocks and cannot show any. */
export function runShown(what, command, args) {
  const script = join(root, 'scripts/with-progress.mjs')
  const { status } = spawnSync(process.execPath, [script, what, command, ...args], { cwd: root, stdio: 'inherit' })
  // Killed by a signal, so this process exits the same way.
  if (status === null) process.exit(130)
  return status
}

/** Runs a tool that comes with npm (npm, npx) and captures its output. */
export function runTool(command, args, options = {}) {
  // On Windows npm's tools are .cmd files, which only a shell can start.
  const shell = process.platform === 'win32'
  return keepOutput(spawnSync(command, args, { cwd: root, encoding: 'utf8', shell, ...options }))
}

/** Runs the workspace's pnpm and captures its output. */
export function runPnpm(args) {
  return runTool('npx', ['--yes', pnpm, ...args])
}

/** Runs a script of an installed package under this Node and captures its output. */
export function runNode(args, options = {}) {
  return keepOutput(spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', ...options }))
}

/** Runs a program that owns the terminal, exits with it, and resolves to its exit code. */
export function runAttached(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' })
  // A terminal sends Ctrl-C to the child too; a supervisor sends SIGTERM only to this process.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return
  fail(
    `Found Node.js ${process.versions.node}; Countersign needs ${leastNode.join('.')} or newer. Install a newer Node.js.`,
  )
}

function keepOutput({ error, status, stdout, stderr }) {
  return { error, status, output: `${stdout ?? ''}${stderr ?? ''}` }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
