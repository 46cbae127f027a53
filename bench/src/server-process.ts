import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { measured, unmeasured } from './cpu-meter.ts'
import type { Check, Framework } from './subject.ts'
import { type Identities, path } from './workload.ts'

/** A server that runs in a process of its own. */
export class ServerProcess {
  readonly framework: Framework
  readonly check: Check
  readonly #child: ChildProcess
  readonly #load: autocannon.Options

  private constructor(framework: Framework, check: Check, child: ChildProcess, load: autocannon.Options) {
    this.framework = framework
    this.check = check
    this.#child = child
    this.#load = load
  }

  /** Starts it and waits until it listens. */
  static async start(framework: Framework, check: Check, { server, caller }: Identities): Promise<ServerProcess> {
    const child = fork(fileURLToPath(new URL('./server.ts', import.meta.url)), [framework, check])
    child.once('exit', (code) => {
      // Thrown, because whoever waits for a message of it would wait for ever.
      if (code !== 0) throw new Error(`${framework}, ${check}: the server ended with ${code}`)
    })
    child.send(server)
    return new ServerProcess(framework, check, child, {
      url: `https://127.0.0.1:${await receiveNumber(child)}${path}`,
      connections: 16,
      amount: unmeasured + measured,
      // It looks whether all answers are there only so often; the default of a second would be most of a round.
      sampleInt: 10,
      tlsOptions: { key: caller.keyPem, cert: caller.certificatePem },
    })
  }

  /** One round over keep-alive connections; gives the server's processor time for each request, in microseconds. */
  async measureRound(): Promise<number> {
    const microseconds = receiveNumber(this.#child)
    const { errors, non2xx } = await autocannon(this.#load)
    if (errors === 0 && non2xx === 0) return microseconds
    throw new Error(`${this.framework}, ${this.check}: found ${errors} errors and ${non2xx} refusals, expected none`)
  }

  stop(): void {
    this.#child.disconnect()
  }
}

function receiveNumber(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: unknown) => {
      if (typeof message === 'number') resolve(message)
      else reject(new Error('found something else, expected a number from the server'))
    })
  })
}
