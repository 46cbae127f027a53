import { createInterface } from 'node:readline'
import type { ServerSocket } from '@countersign/client'

/** A connection to the ledger: lines are sent, and answered in order. */
export class LedgerConnection {
  readonly #socket: ServerSocket
  readonly #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = []
  #isEnding = false

  constructor(socket: ServerSocket) {
    this.#socket = socket
    let failure = new Error('the ledger closed the connection')
    const lines = createInterface({ input: socket })
    // It repeats the socket's errors, such as the expiry of the ledger's certificate.
    lines.on('error', (error: Error) => {
      failure = error
    })
    socket.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(failure)
    })
    lines.on('line', (line) => {
      this.#waiting.shift()?.resolve(line)
      if (this.#isEnding && this.#waiting.length === 0) socket.end()
    })
  }

  /** Whether it accepts more queries. */
  get isOpen(): boolean {
    return !this.#isEnding && !this.#socket.destroyed
  }

  /** Sends a line and resolves to the response line. */
  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(`${line}\n`)
    })
  }

  /** Closes the connection after all responses have arrived. */
  end(): void {
    this.#isEnding = true
    if (this.#waiting.length === 0) this.#socket.end()
  }
}
