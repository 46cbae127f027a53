import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** A proxy that is running. */
export interface Program {
  readonly pid: number
  /** What it has printed so far, for messages of tests that fail. */
  readonly output: () => string
  readonly stop: () => Promise<void>
}

/** Starts a program and waits until it accepts connections on this port of loopback. */
export async function startProgram(
  command: string,
  args: readonly string[],
  port: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
  // If the tests are interrupted, nothing else stops it.
  const kill = (): void => void child.kill('SIGKILL')
  const terminate = (): void => process.exit(143)
  process.once('exit', kill).once('SIGTERM', terminate)
  child.once('exit', () => process.removeListener('exit', kill).removeListener('SIGTERM', terminate))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const program = { pid: child.pid ?? 0, output: () => output, stop: () => end(child) }
  for (let attempt = 0; attempt < 240; attempt += 1) {
    if (child.exitCode !== null) break
    if (await accepts(port)) return program
    await setTimeout(250)
  }
  await end(child)
  throw new Error(`${command} did not listen on port ${port}:\n${output}`)
}

/** Runs a command to its end and returns its output; throws if it fails. */
export function runCommand(command: string, args: readonly string[]): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000 })
  if (status === 0) return `${stdout}${stderr}`
  throw error ?? new Error(`${command} ${args.join(' ')} exited with ${status}:\n${stdout}${stderr}`)
}

/** A port that was free a moment ago, for programs that do not report which one they got for port 0. */
export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return address.port
}

/** Waits until something holds, for at most half a minute. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 120; attempt += 1) {
    if (await holds()) return
    await setTimeout(250)
  }
  throw new Error(`expected ${what} within 30 seconds`)
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = new AbortController()
  const killed = setTimeout(5000, undefined, { signal: timer.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  )
  await exited
  timer.abort()
  await killed
}
