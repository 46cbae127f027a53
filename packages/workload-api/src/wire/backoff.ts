/**
 * Computes the delay before the next attempt. It grows with each attempt and is random, so that workloads of one agent
 * do not retry together.
 */
export class Backoff {
  readonly #leastMs: number
  readonly #mostMs: number
  #attempts = 0

  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs
    this.#mostMs = mostMs
  }

  /** Returns milliseconds: a random share, from half to all, of a delay that doubles up to its maximum. */
  next(): number {
    const bound = Math.min(this.#mostMs, this.#leastMs * 2 ** this.#attempts)
    this.#attempts += 1
    return bound * (0.5 + Math.random() / 2)
  }

  /** Starts over after a success. */
  reset(): void {
    this.#attempts = 0
  }
}
