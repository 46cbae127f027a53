import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:https'
import type { Readable } from 'node:stream'
import { json, text } from 'node:stream/consumers'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { programArguments } from '../support/program-arguments.ts'

/** Additional environment variables of an example. */
type Variables = Readonly<Record<string, string>>

/** How an example exited by itself, and its output. */
export interface Finished {
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** Runs an example, such as `internal-api`, until it exits, with its output in a pipe. */
export async function runExample(
  name: string,
  args: readonly string[] = [],
  variables: Variables = {},
): Promise<Finished> {
  const child = spawnExample(name, args, variables)
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { exitCode: child.exitCode, output, errors }
}

/** A running example. */
export interface Started {
  /** Its output up to the awaited line. */
  readonly output: string
  /** Stops it like a supervisor, and returns its exit code. */
  stop(): Promise<number | null>
}

/** Starts a long-running example, and waits until it has printed `until`. */
export async function startExample(
  name: string,
  until: RegExp,
  args: readonly string[] = [],
  variables: Variables = {},
): Promise<Started> {
  const child = spawnExample(name, args, variables)
  const stop = async (): Promise<number | null> => {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
    return child.exitCode
  }
  const errors = text(child.stderr)
  let output = ''
  child.stdout.setEncoding('utf8')
  // Not `for await`, because leaving the loop would close the pipe to which the example still writes.
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: string) => {
      output += chunk
      if (until.test(output)) resolve()
    })
    child.once('close', () => {
      errors.then((found) => reject(new Error(`${name} ended before it printed ${until}: ${output}${found}`)), reject)
    })
  })
  return { output, stop }
}

/** Executes a printed `curl` command with its files; the server's certificate is verified. */
export async function obey(command: string): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
  const words = command.split(' ')
  const read = (flag: string): Buffer | undefined => {
    const file = words[words.indexOf(flag) + 1]
    return words.includes(flag) && file !== undefined ? readFileSync(file) : undefined
  }
  const cert = read('--cert')
  const key = read('--key') ?? cert
  const outgoing = request(words.at(-1) ?? '', { agent: false, ca: read('--cacert'), cert, key })
  outgoing.end()
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject)
    outgoing.once('response', (message) => {
      json(message).then((body) => resolve({ status: message.statusCode, body }), reject)
    })
  })
}

function spawnExample(
  name: string,
  args: readonly string[],
  variables: Variables,
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [...programArguments(`examples/${name}/src/main.ts`), ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...variables, CI: 'true', PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
