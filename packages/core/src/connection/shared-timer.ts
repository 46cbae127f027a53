import { callAt, longestWait } from './long-timer.ts'

interface Entry {
  readonly moment: number
  readonly callback: () => void
  /** Cancels the entry's own timer, which it has once it is almost due. */
  stop: (() => void) | undefined
}

/**
 * Calls back at many times, as `callAt` does at one. Entries further away than `longestWait` share one timer, because
 * every connection has several, most are hours away, and most connections close before.
 */
export class SharedTimer {
  readonly #far = new Set<Entry>()
  #isWaiting = false

  /** Calls back at a given time (epoch milliseconds). Returns a function that cancels it. */
  callAt(moment: number, callback: () => void): () => void {
    if (moment - Date.now() <= longestWait) return callAt(moment, callback)
    const entry: Entry = { moment, callback, stop: undefined }
    this.#far.add(entry)
    this.#wait()
    return () => {
      entry.stop?.()
      this.#far.delete(entry)
    }
  }

  // Runs at least once per longestWait, so an entry is always promoted before it is due.
  #look(): void {
    this.#isWaiting = false
    const near = Date.now() + longestWait
    for (const entry of this.#far) {
      if (entry.moment > near) continue
      this.#far.delete(entry)
      entry.stop = callAt(entry.moment, entry.callback)
    }
    if (this.#far.size > 0) this.#wait()
  }

  #wait(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    setTimeout(() => this.#look(), longestWait).unref()
  }
}
