import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isObject } from './is-object.ts'

/** One of our programs in a separate process, which answers each message with one message. */
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
    // Without this process's arguments, because what they load would be part of the measurement.
    const stdio = ['ignore', 'inherit', isMute ? 'ignore' : 'inherit', 'ipc'] as const
    const child = fork(path, { execArgv: [...execArgv], serialization: 'advanced', stdio: [...stdio] })
    const started = new MeasuredProcess(child, path.slice(path.lastIndexOf('/') + 1))
    return { process: started, answer: await started.ask(task) }
  }

  /** Sends a message and waits for the answer. */
  ask(message: Serializable): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const refuse = (code: number | null, signal: string | null): void =>
        reject(new Error(`${this.#name}: exited with ${code ?? signal}, expected an answer`))
      this.#child.once('exit', refuse)
      this.#child.once('message', (answer: unknown) => {
        this.#child.off('exit', refuse)
        resolve(answer)
      })
      this.#child.send(message)
    })
  }

  /** Like `ask`, for a response that is a number. */
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

/** Options for starting a process. */
export interface ProcessOptions {
  /** Arguments for Node itself. */
  readonly execArgv?: readonly string[]
  /** Whether to discard its standard error output, if there is much of it. */
  readonly isMute?: boolean
}

/** Reads an answer that must be a number. */
export function expectNumber(answer: unknown): number {
  if (typeof answer === 'number') return answer
  throw new Error(`found ${JSON.stringify(answer)}, expected a number`)
}

/**
 * The other end: answers the first message with `start`, and every later one with the function that `start` returned.
 */
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

/** Recognizes a task by its property names, because only our own programs send one. */
export function hasNames<Task extends object>(
  ...names: readonly (keyof Task)[]
): (message: unknown) => message is Task {
  return (message): message is Task => isObject(message) && names.every((name) => name in message)
}

async function reply(next: (message: unknown) => unknown, message: unknown): Promise<void> {
  process.send?.(await next(message))
}

/** Microseconds of processor time of the whole process so far, user and system. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
