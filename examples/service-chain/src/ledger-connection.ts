import { createInterface } from 'node:readline'
import type { ServerSocket } from '@countersign/client'
import type { OwnSvid } from '@countersign/core'

/** A connection to the ledger: lines go out, and are answered in their order. */
export class LedgerConnection {
  readonly #socket: ServerSocket
  readonly #svid: OwnSvid
  readonly #retiresAt: number
  readonly #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = []
  #isEnding = false

  /** `svid` is the one of ours that the connection was made with. */
  constructor(socket: ServerSocket, svid: OwnSvid) {
    const now = Date.now()
    this.#socket = socket
    this.#svid = svid
    this.#retiresAt = now + ((socket.principal?.expiresAt ?? now) - now) * 0.9
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

  /** Whether it may be asked more: it shows our current SVID, and the certificate of the ledger is not near its end. */
  isUsable(current: OwnSvid): boolean {
    return !this.#socket.destroyed && this.#svid === current && Date.now() < this.#retiresAt
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
