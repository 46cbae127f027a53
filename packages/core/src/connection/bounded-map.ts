/** The limits of a map. */
export interface MapBounds {
  readonly entries: number
  readonly bytes: number
}

/** A map that evicts the least recently used entries to stay within its bounds. */
export class BoundedMap<Value> {
  readonly #bounds: MapBounds
  readonly #entries = new Map<string, { readonly value: Value; readonly bytes: number }>()
  #bytes = 0

  constructor(bounds: MapBounds) {
    this.#bounds = bounds
  }

  /** The total size of the entries, as passed to `set`. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Marks an entry as used now. */
  refresh(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  /** Adds an entry of this size as the most recent one, unless it exceeds the bounds by itself. */
  set(key: string, value: Value, bytes: number): void {
    this.delete(key)
    if (bytes > this.#bounds.bytes) return
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#bounds.entries && this.#bytes + bytes <= this.#bounds.bytes) break
      this.delete(oldest)
    }
    this.#entries.set(key, { value, bytes })
    this.#bytes += bytes
  }

  delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }

  /** Replaces each value with the result of `update`, and removes those for which it returns undefined. */
  updateAll(update: (value: Value) => Value | undefined): void {
    for (const [key, { value, bytes }] of this.#entries) {
      const updated = update(value)
      if (updated === undefined) this.delete(key)
      else if (updated !== value) this.#entries.set(key, { value: updated, bytes })
    }
  }

  /** Returns the values, the most recently used last. */
  values(): readonly Value[] {
    return Array.from(this.#entries.values(), ({ value }) => value)
  }
}
