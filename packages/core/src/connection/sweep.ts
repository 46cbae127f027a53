/**
 * Visits every item of a collection in turns, so that requests are answered in between. Only one sweep runs: the next one
 * takes the place of one that is not finished.
 */
export class Sweep<Item> {
  #stop: () => void = () => undefined
  #count = 0

  /** Begins a sweep; its first turn is over when this returns. */
  start(items: Iterator<Item>, visit: (item: Item) => void): void {
    this.#stop()
    this.#count += 1
    const number = this.#count
    const turn = (): void => {
      const endOfTurn = performance.now() + longestTurn
      // Not `for … of`, which closes a generator at the end of a turn.
      for (let next = items.next(); next.done !== true; next = items.next()) {
        // A visit may have started a sweep of its own.
        if (number !== this.#count) return
        visit(next.value)
        if (performance.now() < endOfTurn) continue
        const later = setImmediate(turn)
        this.#stop = () => clearImmediate(later)
        return
      }
    }
    turn()
  }
}

/** Milliseconds that one turn may take: less than a handshake does. */
const longestTurn = 2
