/** The memory shared by several `BoundedCache`s. When it is used up, all of them are cleared. */
export class CacheMemory {
  readonly #most: number
  readonly #users: { clear(): void }[] = []
  #bytes = 0

  /** `most` is the limit in bytes. Default: 4 MiB, enough for about 16,000 paths of usual length. */
  constructor(most: number = 4 * 1024 * 1024) {
    this.#most = most
  }

  /** The number of bytes in use. */
  get bytes(): number {
    return this.#bytes
  }

  /** Registers a cache to be cleared when the memory is used up. */
  join(user: { clear(): void }): void {
    this.#users.push(user)
  }

  /** Reserves this many bytes. */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#most) {
      for (const user of this.#users) user.clear()
      this.#bytes = 0
    }
    this.#bytes += bytes
  }
}

/**
 * Caches values computed from texts that recur. It is bounded in bytes, stores no long text, and is cleared when its
 * memory is used up. A client that sends a new text with each request causes no more work than there would be without
 * the cache.
 */
export class BoundedCache<Value> {
  readonly #values = new Map<string, Value>()
  readonly #memory: CacheMemory

  constructor(memory: CacheMemory) {
    this.#memory = memory
    memory.join(this.#values)
  }

  /** Returns the value cached for this text, or undefined. */
  find(text: string): Value | undefined {
    return this.#values.get(text)
  }

  /**
   * Computes the value of a text that is not cached, caches it unless the text is long, and returns it. `compute`
   * receives a copy of a short text, because a slice keeps the whole original string in memory. `measure` returns the size
   * of what belongs to the value alone, in bytes.
   */
  keep(text: string, compute: (text: string) => Value, measure: (value: Value) => number = nothing): Value {
    if (text.length > longestText) return compute(text)
    const copy = decoder.decode(encoder.encode(text))
    const value = compute(copy)
    this.#memory.take(ofEntry + copy.length * (unescaped.test(copy) ? 1 : 4) + measure(value))
    this.#values.set(copy, value)
    return value
  }
}

const nothing = (): number => 0

const longestText = 256
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The size of an entry without its texts in bytes, measured and rounded up. */
const ofEntry = 160

/**
 * Matches texts with one byte per character whose path is the text itself. Otherwise the text and the path are two
 * strings with up to two bytes per character.
 */
const unescaped = /^[\x21-\x24\x26-\x7e]*$/
