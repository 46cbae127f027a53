import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Framework } from '../subject.ts'
import type { Rotation } from './rotation.ts'

/** The service of a soak, as the process that puts it under load controls it. */
export class SoakServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** Starts the server and waits until it listens. */
  static async start(framework: Framework, { how, place }: Rotation): Promise<SoakServer> {
    const file = fileURLToPath(new URL('./soak-server.ts', import.meta.url))
    const execArgv = [...process.execArgv, '--expose-gc']
    const child = fork(file, [framework, how, place], { execArgv })
    const port = await receive(child)
    if (typeof port === 'number') return new SoakServer(child, port)
    throw new Error('found an unexpected answer, expected a port from the server')
  }

  /** Heap and external bytes after a garbage collection, every two seconds since the start. */
  async readMemory(): Promise<readonly number[]> {
    const received = receive(this.#child)
    this.#child.send('memory')
    const memory = await received
    if (Array.isArray(memory) && memory.every((bytes): bytes is number => typeof bytes === 'number')) return memory
    throw new Error('found an unexpected answer, expected the memory of the server')
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}

function receive(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const refuse = (code: number | null): void => reject(new Error(`the server exited with ${code}`))
    child.once('exit', refuse)
    child.once('message', (message: unknown) => {
      child.off('exit', refuse)
      resolve(message)
    })
  })
}
