import { setTimeout } from 'node:timers'
import type { EndableExchange } from './connection.ts'

/** What is needed of an HTTP/2 session to close it without losing a request. */
export interface ClosableSession {
  /** Sends GOAWAY and closes once the open streams have closed. Further calls do nothing. */
  close(): void
  on(event: 'stream', listener: (stream: EndableExchange) => void): void
}

/**
 * Tracks whether an HTTP/2 session has open streams. Some clients, including the JDK's up to version 23, fail streams
 * that are open when GOAWAY arrives or that cross it. Therefore GOAWAY is sent while no stream is open.
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
   * Sends GOAWAY as soon as no stream is open. By default it waits until none has been open for a moment, because
   * clients often send requests back to back; `'at once'` skips that wait.
   */
  drain(when: 'when quiet' | 'at once' = 'when quiet'): void {
    this.#draining = when
    this.#closeIfNone()
  }

  /** Cancels `drain`, unless GOAWAY was already sent. */
  keep(): void {
    this.#draining = 'no'
    clearTimeout(this.#timer)
  }

  /** Sends GOAWAY now. Open streams continue, unless the client closes them. */
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

/** Milliseconds without a stream after which a client counts as idle. */
const quiet = 10
