/** How long to wait before the next attempt: longer each time, and never the same for two workloads of one agent. */
export class Backoff {
  readonly #leastMs: number
  readonly #mostMs: number
  #attempts = 0

  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs
    this.#mostMs = mostMs
  }

  /** Milliseconds: half to all of a time that doubles up to its bound. */
  next(): number {
    const bound = Math.min(this.#mostMs, this.#leastMs * 2 ** this.#attempts)
    this.#attempts += 1
    return bound * (0.5 + Math.random() / 2)
  }

  /** Begins anew after a success. */
  reset(): void {
    this.#attempts = 0
  }
}
