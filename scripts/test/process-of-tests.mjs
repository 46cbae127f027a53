import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cache, root } from '../setup.mjs'
import { compiledPath } from './compile-tests.mjs'
import { ending, silence } from './inside/limits.mjs'
import { areAllEnded, readResults } from './results.mjs'

const folder = join(cache, 'test-events', String(process.pid))
const mostOutput = 256 * 1024
// Halves the time of keytool, which some tests start.
const environment = { JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' }
let started = 0

/**
 * A process that runs one test file, or several that share it. `base` is the folder of the repository or of a copy of
 * it; `variables` are added to the environment.
 */
export class ProcessOfTests {
  #child
  #output = ''
  #ended
  #problem
  #start = Date.now()

  constructor(node, flags, files, { base = root, variables = {} } = {}) {
    const inside = (name) => join(base, 'scripts/test/inside', name)
    mkdirSync(folder, { recursive: true })
    started += 1
    const events = join(folder, `${started}.jsonl`)
    this.#child = spawn(
      node,
      [
        '--enable-source-maps',
        `--test-reporter=${pathToFileURL(inside('reporter.mjs'))}`,
        '--test-reporter-destination=stdout',
        ...flags,
        inside('run-files.mjs'),
        ...files.map((file) => compiledPath(file, base)),
      ],
      {
        cwd: base,
        // Its own process group, so that it can be killed together with its children.
        detached: process.platform !== 'win32',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: {
          ...environment,
          ...process.env,
          ...variables,
          COUNTERSIGN_TEST_EVENTS: events,
          COUNTERSIGN_COMPILED: '1',
        },
      },
    )
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#output = `${this.#output}${text}`.slice(-mostOutput)))
    }
    this.#ended = this.#wait(files, events)
  }

  /** Resolves to the result of each file after the process has exited. */
  get results() {
    return this.#ended
  }

  /** Kills the process and its children. */
  kill(problem) {
    this.#problem ??= problem
    this.#killGroup()
  }

  async #wait(files, events) {
    const timer = setInterval(() => this.#watch(files, events), 1000)
    const ended = await new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(`could not be started: ${error.message}`))
      this.#child.once('exit', (code, signal) => resolve(code === 0 ? undefined : `exited with ${code ?? signal}`))
    })
    clearInterval(timer)
    // Children that a test left running would keep ports, processors and the pipes that are read here.
    this.#killGroup()
    await this.#drain()
    const text = readText(events)
    rmSync(events, { force: true })
    const problem = this.#problem ?? ended
    return readResults(files, { text, problem, output: this.#output, start: this.#start, end: Date.now() })
  }

  // Finished tests are in the events: while there are new ones, the process is healthy.
  #watch(files, events) {
    const { size, mtimeMs } = statSync(events, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: this.#start }
    const silent = Date.now() - Math.max(mtimeMs, this.#start)
    if (silent > silence) this.kill(`finished no test for ${seconds(silence)}, and was killed`)
    if (silent <= ending || size === 0 || !areAllEnded(files, readText(events))) return
    this.kill(`did not exit within ${seconds(ending)} after its last test, and was killed`)
  }

  #killGroup() {
    if (this.#child.pid === undefined) return
    try {
      process.kill(process.platform === 'win32' ? this.#child.pid : -this.#child.pid, 'SIGKILL')
    } catch {
      // The process has already exited.
    }
  }

  async #drain() {
    const streams = [this.#child.stdout, this.#child.stderr]
    const drained = Promise.all(
      streams.map((stream) => stream.closed || new Promise((resolve) => stream.once('close', resolve))),
    )
    // A grandchild in its own process group may keep them open.
    let timer
    await Promise.race([drained, new Promise((resolve) => (timer = setTimeout(resolve, 1000)))])
    clearTimeout(timer)
    for (const stream of streams) stream.destroy()
  }
}

function seconds(milliseconds) {
  return `${milliseconds / 1000} seconds`
}

/** Removes the files that the processes of this run have written. */
export function removeEvents() {
  rmSync(folder, { recursive: true, force: true })
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
