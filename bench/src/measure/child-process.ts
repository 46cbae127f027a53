import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isObject } from './is-object.ts'

/** A program of ours in a process of its own, which answers each message with one message. */
export class MeasuredProcess {
  readonly #child: ChildProcess
  readonly #name: string

  private constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
  }

  /** Starts the program and waits for its answer to the first message. */
  static async start(
    file: URL,
    task: Serializable,
    { execArgv = [], isMute = false }: ProcessOptions = {},
  ): Promise<{ readonly process: MeasuredProcess; readonly answer: unknown }> {
    const path = fileURLToPath(file)
    // Without the arguments of this process: what they load would be part of what is measured.
    const stdio = ['ignore', 'inherit', isMute ? 'ignore' : 'inherit', 'ipc'] as const
    const child = fork(path, { execArgv: [...execArgv], serialization: 'advanced', stdio: [...stdio] })
    const started = new MeasuredProcess(child, path.slice(path.lastIndexOf('/') + 1))
    return { process: started, answer: await started.ask(task) }
  }

  /** Sends a message and waits for the answer. */
  ask(message: Serializable): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const refuse = (code: number | null, signal: string | null): void =>
        reject(new Error(`${this.#name}: ended with ${code ?? signal}, expected an answer`))
      this.#child.once('exit', refuse)
      this.#child.once('message', (answer: unknown) => {
        this.#child.off('exit', refuse)
        resolve(answer)
      })
      this.#child.send(message)
    })
  }

  /** The same where the answer is a number. */
  async askNumber(message: Serializable): Promise<number> {
    return expectNumber(await this.ask(message))
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}

/** How a process is started. */
export interface ProcessOptions {
  /** For Node itself. */
  readonly execArgv?: readonly string[]
  /** Whether what it writes to standard error is dropped, where that is much. */
  readonly isMute?: boolean
}

/** Reads an answer that has to be a number. */
export function expectNumber(answer: unknown): number {
  if (typeof answer === 'number') return answer
  throw new Error(`found ${JSON.stringify(answer)}, expected a number`)
}

/** The other end: answers the first message by `start`, and every later one by what that gave. */
export function answerMessages<Task extends object>(
  isTask: (message: unknown) => message is Task,
  start: (task: Task) => Promise<{ readonly answer: Serializable; readonly next: (message: unknown) => unknown }>,
): void {
  const serve = async (task: Task): Promise<void> => {
    const { answer, next } = await start(task)
    process.on('message', (message: unknown) => void reply(next, message))
    process.send?.(answer)
  }
  process.once('message', (message: unknown) => {
    if (!isTask(message)) throw new Error(`found ${JSON.stringify(message)}, expected a task`)
    void serve(message)
  })
  process.once('disconnect', () => process.exit())
}

/** Tells a task by the names in it: only programs of ours send one. */
export function hasNames<Task extends object>(
  ...names: readonly (keyof Task)[]
): (message: unknown) => message is Task {
  return (message): message is Task => isObject(message) && names.every((name) => name in message)
}

async function reply(next: (message: unknown) => unknown, message: unknown): Promise<void> {
  process.send?.(await next(message))
}

/** Microseconds of processor time of this whole process so far, user and system together. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
