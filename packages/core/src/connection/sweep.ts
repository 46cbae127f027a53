/**
 * Visits every item of a collection in turns, so that requests are answered in between. Only one sweep runs at a time:
 * a new one replaces an unfinished one.
 */
export class Sweep<Item> {
  #stop: () => void = () => undefined
  #count = 0

  /** Starts a sweep. Its first turn runs before this returns. */
  start(items: Iterator<Item>, visit: (item: Item) => void): void {
    this.#stop()
    this.#count += 1
    const number = this.#count
    const turn = (): void => {
      const endOfTurn = performance.now() + longestTurn
      // Not `for … of`, which would close a generator at the end of a turn.
      for (let next = items.next(); next.done !== true; next = items.next()) {
        // A visit may have started a new sweep.
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

/** Milliseconds that one turn may take, which is less than a handshake takes. */
const longestTurn = 2
