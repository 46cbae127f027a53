/**
 * Remembers what was computed for texts that come again and again, and nothing else: no long text, and not many. Once it
 * is full it begins anew, so that whoever sends a new text with each request gains nothing but the work that it would
 * have been without it.
 */
export class Recent<Value> {
  readonly #values = new Map<string, Value>()

  /** What was computed for this text, or undefined. */
  find(text: string): Value | undefined {
    return this.#values.get(text)
  }

  /** Remembers it for a while, and gives it back. */
  keep(text: string, value: Value): Value {
    if (text.length > longestText) return value
    if (this.#values.size === mostTexts) this.#values.clear()
    // A copy: what was cut out of a longer text keeps the whole of it in memory.
    this.#values.set(Buffer.from(text).toString(), value)
    return value
  }
}

/** As many as a large service has paths; with the longest texts they take about 5 MiB. */
const mostTexts = 16_384
const longestText = 256
