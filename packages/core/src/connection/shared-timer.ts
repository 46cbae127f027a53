import { callAt, longestWait } from './long-timer.ts'

interface Entry {
  readonly moment: number
  readonly callback: () => void
  /** Ends the timer of its own that it has once the moment is near. */
  stop: (() => void) | undefined
}

/**
 * Calls back at many moments, as `callAt` does at one: those that are further away than its longest wait share one timer,
 * because each connection has moments, most of them hours away, and most connections end before.
 */
export class SharedTimer {
  readonly #far = new Set<Entry>()
  #isWaiting = false

  /** Calls back at a moment (epoch milliseconds); gives the function that ends it. */
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

  // At the latest the wait before this one began before a moment that is near now.
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
