import { connectTls } from '@countersign/client'
import type { X509Source } from '@countersign/core'
import { LedgerConnection } from './ledger-connection.ts'
import { idOf } from './workloads.ts'

/**
 * Asks the ledger, on a connection that is kept. After a rotation, and before the certificate of the ledger expires, the
 * next question gets a new one; what was asked on the old one is still answered there. Nothing is asked twice.
 */
export class LedgerClient {
  readonly #source: X509Source
  readonly #port: number
  #connection: LedgerConnection | undefined
  #opening: Promise<LedgerConnection> | undefined

  constructor(source: X509Source, port: number) {
    this.#source = source
    this.#port = port
  }

  /** The line that answers; rejects with a `CallError` when the ledger cannot be used. */
  async ask(customer: string): Promise<string> {
    if (this.#connection?.isOpen === false) this.close()
    const connection = this.#connection ?? (await (this.#opening ??= this.#open()))
    return connection.ask(customer)
  }

  /** Ends the connection once everything is answered. */
  close(): void {
    this.#connection?.end()
    this.#connection = undefined
  }

  async #open(): Promise<LedgerConnection> {
    try {
      const socket = await connectTls(this.#source, {
        servers: [idOf('ledger')],
        host: '127.0.0.1',
        port: this.#port,
        onStale: () => this.close(),
      })
      this.#connection = new LedgerConnection(socket)
      return this.#connection
    } finally {
      this.#opening = undefined
    }
  }
}
