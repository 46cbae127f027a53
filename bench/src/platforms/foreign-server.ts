import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { RunningServer } from './platform.ts'
import { ThreadTimes } from './thread-times.ts'

/** How to start a server that is not ours. */
export interface ForeignCommand {
  readonly command: string
  readonly args: readonly string[]
  /** The folder that it runs in. */
  readonly folder: string
  /** Returns the port as soon as it is known. By default the server prints `port` and its number. */
  readonly findPort?: (printed: string) => Promise<number | undefined>
}

/** Starts a server and waits until it listens. */
export async function startForeign({
  command,
  args,
  folder,
  findPort = findPrinted,
}: ForeignCommand): Promise<RunningServer> {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): boolean => child.kill('SIGKILL')
  // A benchmark that fails leaves no server behind.
  process.once('exit', kill)
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      process.off('exit', kill)
      resolve()
    })
  })
  const stop = async (): Promise<void> => {
    kill()
    await ended
  }
  try {
    const port = await waitForPort(child, findPort)
    const times = new ThreadTimes(child.pid ?? 0)
    return { port, time: () => Promise.resolve(times.read()), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function waitForPort(
  child: ChildProcessByStdio<null, Readable, Readable>,
  findPort: (printed: string) => Promise<number | undefined>,
): Promise<number> {
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed = `${printed}${text}`.slice(-maxPrinted)
    })
  }
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  for (const end = performance.now() + patience; performance.now() < end; await setTimeout(50)) {
    if (failure !== undefined) throw failure
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`ended with ${child.exitCode ?? child.signalCode} before it listened: ${lastLine(printed)}`)
    }
    const port = await findPort(printed)
    if (port !== undefined) return port
  }
  throw new Error(`did not listen within ${patience / 1000} seconds: ${lastLine(printed)}`)
}

const maxPrinted = 10_000
const patience = 90_000

function findPrinted(printed: string): Promise<number | undefined> {
  const [, port] = /^port (\d+)$/m.exec(printed) ?? []
  return Promise.resolve(port === undefined ? undefined : Number(port))
}

/** Returns the last line of a text that is not empty. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}
