import type { EndableExchange } from './connection.ts'

/** What is needed of an HTTP/2 session to close it without losing a request. */
export interface ClosableSession {
  /** Sends GOAWAY and closes once the open streams have ended; does nothing the second time. */
  close(): void
  on(event: 'stream', listener: (stream: EndableExchange) => void): void
}

/**
 * Knows whether an HTTP/2 session has open streams. Some clients, the JDK's among them, fail the streams that are open
 * when GOAWAY arrives, so it is sent at a moment without any.
 */
export class OpenStreams {
  readonly #session: ClosableSession
  #count = 0
  #isDraining = false

  constructor(session: ClosableSession) {
    this.#session = session
    session.on('stream', (stream) => {
      this.#count += 1
      stream.once('close', () => {
        this.#count -= 1
        this.#closeIfNone()
      })
    })
  }

  /** Sends GOAWAY as soon as no stream is open. */
  drain(): void {
    this.#isDraining = true
    this.#closeIfNone()
  }

  /** Revokes `drain`, unless GOAWAY was sent already. */
  keep(): void {
    this.#isDraining = false
  }

  /** Sends GOAWAY now. Open streams go on, unless the client ends them. */
  close(): void {
    this.#session.close()
  }

  #closeIfNone(): void {
    if (this.#isDraining && this.#count === 0) this.#session.close()
  }
}
