import { connectTls } from '@countersign/client'
import type { X509Source } from '@countersign/core'
import { LedgerConnection } from './ledger-connection.ts'
import { idOf } from './workloads.ts'

/**
 * Calls the ledger on a kept connection. After a rotation, and before the ledger's certificate expires, the next query
 * uses a new connection; queries on the old one are still answered there. No query is sent twice.
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

  /** Resolves to the response line; rejects with a `CallError` if the ledger cannot be called. */
  async ask(customer: string): Promise<string> {
    if (this.#connection?.isOpen === false) this.close()
    const connection = this.#connection ?? (await (this.#opening ??= this.#open()))
    return connection.ask(customer)
  }

  /** Closes the connection after all responses have arrived. */
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
