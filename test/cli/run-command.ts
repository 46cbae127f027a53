import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** Additional environment variables of a command; undefined removes one. */
export type Variables = Readonly<Record<string, string | undefined>>

/** How a command exited by itself, and its output. */
export interface Finished {
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** Runs `countersign` until it exits, with its output in pipes. */
export async function runCommand(args: readonly string[], variables: Variables = {}): Promise<Finished> {
  const child = spawnCommand(args, variables)
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { exitCode: child.exitCode, output, errors }
}

/** A running `countersign`. */
export class RunningCommand {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  output = ''
  errors = ''

  constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.child = child
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.errors += chunk))
  }

  /** Waits until the complete output matches. */
  async waitFor(pattern: RegExp, stream: 'output' | 'errors' = 'output'): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[stream])
      if (found !== null) return found
      const ended = this.child.exitCode ?? this.child.signalCode
      if (ended !== null) throw new Error(`ended (${ended}) before it printed ${pattern}: ${this.output}${this.errors}`)
      await Promise.race([
        once(stream === 'output' ? this.child.stdout : this.child.stderr, 'data'),
        once(this.child, 'close'),
      ])
    }
  }

  /** Waits until it exits and returns the exit code; null if a signal killed it. */
  async wait(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close')
    return this.child.exitCode
  }

  /** Sends a signal and waits for the exit. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal)
    return this.wait()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}

/** Starts `countersign`, which is killed at the end of the scope if it is still running. */
export function startCommand(args: readonly string[], variables: Variables = {}): RunningCommand {
  return new RunningCommand(spawnCommand(args, variables))
}

function spawnCommand(args: readonly string[], variables: Variables): ChildProcessByStdio<null, Readable, Readable> {
  // The developer's own environment may have an agent and a socket.
  const { SPIFFE_ENDPOINT_SOCKET: _endpoint, XDG_RUNTIME_DIR: _folder, ...inherited } = process.env
  return spawn(process.execPath, [...program, ...args], {
    env: { ...inherited, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

// The published code, except under `npm run coverage`, which measures the sources.
const program =
  process.env['TSX_TSCONFIG_PATH'] === undefined
    ? [fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))]
    : ['--import', 'tsx', fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))]
