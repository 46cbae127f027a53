/** The limits of calls in flight. */
export interface CallLimits {
  readonly maxConcurrent: number
  readonly maxConcurrentPerCaller: number
}

/** Counts the calls in flight, in total and for each caller. */
export class CallsInFlight {
  readonly #limits: CallLimits
  readonly #ofCaller = new Map<string | null, number>()
  #all = 0

  constructor(limits: CallLimits) {
    this.#limits = limits
  }

  /**
   * Counts a call of a caller; null stands for all anonymous callers. Returns a function that ends the call, or a
   * description of the limit that is reached.
   */
  begin(caller: string | null): (() => void) | string {
    const { maxConcurrent, maxConcurrentPerCaller } = this.#limits
    const own = this.#ofCaller.get(caller) ?? 0
    if (this.#all >= maxConcurrent) return `${this.#all} calls are in flight, the most that maxConcurrent allows`
    if (own >= maxConcurrentPerCaller) {
      return `${own} calls of this caller are in flight, the most that maxConcurrentPerCaller allows`
    }
    this.#all += 1
    this.#ofCaller.set(caller, own + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#all -= 1
      const left = (this.#ofCaller.get(caller) ?? 1) - 1
      if (left > 0) this.#ofCaller.set(caller, left)
      else this.#ofCaller.delete(caller)
    }
  }
}
