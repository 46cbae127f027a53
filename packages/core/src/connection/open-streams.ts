import { setTimeout } from 'node:timers'
import type { EndableExchange } from './connection.ts'

/** What is needed of an HTTP/2 session to close it without losing a request. */
export interface ClosableSession {
  /** Sends GOAWAY and closes once the open streams have ended; does nothing the second time. */
  close(): void
  on(event: 'stream', listener: (stream: EndableExchange) => void): void
}

/**
 * Knows whether an HTTP/2 session has open streams. Some clients, the JDK's up to version 23 among them, fail streams that
 * GOAWAY finds open, and those that cross it. So it is sent at a moment without any.
 */
export class OpenStreams {
  readonly #session: ClosableSession
  #count = 0
  #draining: 'no' | 'when quiet' | 'at once' = 'no'
  #timer: NodeJS.Timeout | undefined

  constructor(session: ClosableSession) {
    this.#session = session
    session.on('stream', (stream) => {
      this.#count += 1
      clearTimeout(this.#timer)
      stream.once('close', () => {
        this.#count -= 1
        this.#closeIfNone()
      })
    })
  }

  /**
   * Sends GOAWAY as soon as no stream is open: at once, or by default when there has been none for a moment, because the
   * requests of a client often come one behind the other.
   */
  drain(when: 'when quiet' | 'at once' = 'when quiet'): void {
    this.#draining = when
    this.#closeIfNone()
  }

  /** Revokes `drain`, unless GOAWAY was sent already. */
  keep(): void {
    this.#draining = 'no'
    clearTimeout(this.#timer)
  }

  /** Sends GOAWAY now. Open streams go on, unless the client ends them. */
  close(): void {
    clearTimeout(this.#timer)
    this.#session.close()
  }

  #closeIfNone(): void {
    clearTimeout(this.#timer)
    if (this.#count > 0) return
    if (this.#draining === 'at once') this.close()
    if (this.#draining === 'when quiet') this.#timer = setTimeout(() => this.close(), quiet).unref()
  }
}

/** Milliseconds without a stream after which a client is taken to be at rest. */
const quiet = 10
