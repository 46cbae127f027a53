/** The memory that several `BoundedCache` share; when it is used up, all of them begin anew. */
export class CacheMemory {
  readonly #most: number
  readonly #users: { clear(): void }[] = []
  #bytes = 0

  /** Takes the most bytes that are used. Default: 4 MiB, which is about 16,000 paths of usual length. */
  constructor(most: number = 4 * 1024 * 1024) {
    this.#most = most
  }

  /** How many bytes are used. */
  get bytes(): number {
    return this.#bytes
  }

  /** Clears this one too when the memory is used up. */
  join(user: { clear(): void }): void {
    this.#users.push(user)
  }

  /** Takes so many bytes. */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#most) {
      for (const user of this.#users) user.clear()
      this.#bytes = 0
    }
    this.#bytes += bytes
  }
}

/**
 * Remembers what was computed for texts that come again and again. It is bounded in bytes, keeps no long text, and begins
 * anew when its memory is used up, so that a client that sends a new text with each request gains nothing but the work
 * that it would have been without it.
 */
export class BoundedCache<Value> {
  readonly #values = new Map<string, Value>()
  readonly #memory: CacheMemory

  constructor(memory: CacheMemory) {
    this.#memory = memory
    memory.join(this.#values)
  }

  /** What was computed for this text, or undefined. */
  find(text: string): Value | undefined {
    return this.#values.get(text)
  }

  /**
   * Computes a value for a text that is not there, remembers it for a while unless the text is long, and returns it.
   * `compute` gets a copy of a short text: what was cut out of a longer one keeps the whole of it in memory.
   */
  keep(text: string, compute: (text: string) => Value): Value {
    if (text.length > longestText) return compute(text)
    const copy = decoder.decode(encoder.encode(text))
    const value = compute(copy)
    this.#memory.take(ofEntry + copy.length * (unescaped.test(copy) ? 1 : 4))
    this.#values.set(copy, value)
    return value
  }
}

const longestText = 256
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Bytes of an entry besides its texts, as measured and rounded up. */
const ofEntry = 160

/**
 * Texts with one byte for each character, and whose path is the text itself. Of others, text and path are two strings
 * with up to two bytes for each character.
 */
const unescaped = /^[\x21-\x24\x26-\x7e]*$/
