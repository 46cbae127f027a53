import { createInterface } from 'node:readline'
import type { ServerSocket } from '@countersign/client'

/** A connection to the ledger: lines go out, and are answered in their order. */
export class LedgerConnection {
  readonly #socket: ServerSocket
  readonly #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = []
  #isEnding = false

  constructor(socket: ServerSocket) {
    this.#socket = socket
    let failure = new Error('the ledger ended the connection')
    const lines = createInterface({ input: socket })
    // It repeats those of the socket, such as the end of the ledger's certificate.
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

  /** Whether it can be asked more. */
  get isOpen(): boolean {
    return !this.#isEnding && !this.#socket.destroyed
  }

  /** Sends a line and gives the one that answers it. */
  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(`${line}\n`)
    })
  }

  /** Ends it once everything is answered. */
  end(): void {
    this.#isEnding = true
    if (this.#waiting.length === 0) this.#socket.end()
  }
}
