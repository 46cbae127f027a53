import type { Writable } from 'node:stream'
import type { Destination, Written } from './line-writer.ts'

/** A stream of the application as the destination of a decision log. */
export class LogStream implements Destination {
  readonly #stream: Writable
  #failure: Error | undefined
  #settle: ((error?: Error | null) => void) | undefined

  constructor(stream: Writable) {
    this.#stream = stream
    // Without a listener, an error such as a closed pipe would end the process.
    stream.on('error', this.#onEnd)
    stream.on('close', this.#onEnd)
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  async write(bytes: Buffer): Promise<Written> {
    // The next chunk waits for this one, so the stream never buffers more than one, regardless of its high-water mark.
    const error = await new Promise<Error | null | undefined>((resolve) => {
      this.#settle = resolve
      try {
        this.#stream.write(bytes, resolve)
      } catch (thrown) {
        resolve(thrown instanceof Error ? thrown : new Error('the stream threw a non-Error value'))
      }
    })
    this.#settle = undefined
    if (error === undefined || error === null) return { bytes: bytes.length }
    this.#failure = error
    return { bytes: 0, error }
  }

  writeAtExit(bytes: Buffer): void {
    try {
      if (this.#failure === undefined) this.#stream.write(bytes)
    } catch {
      // The process exits, so nothing can be reported.
    }
  }

  async close(): Promise<void> {
    // A write in progress, or one that failed, may still emit its error.
    if (this.#failure !== undefined || this.#settle !== undefined) return
    this.#stream.off('error', this.#onEnd)
    this.#stream.off('close', this.#onEnd)
  }

  readonly #onEnd = (error?: Error): void => {
    this.#failure ??= error ?? new Error('the stream was closed')
    this.#settle?.(this.#failure)
  }
}
