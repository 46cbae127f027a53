/** What a map may hold at most. */
export interface MapBounds {
  readonly entries: number
  readonly bytes: number
}

/** A map that drops the entries that were not used for the longest time, so as to hold no more than its bounds. */
export class BoundedMap<Value> {
  readonly #bounds: MapBounds
  readonly #entries = new Map<string, { readonly value: Value; readonly bytes: number }>()
  #bytes = 0

  constructor(bounds: MapBounds) {
    this.#bounds = bounds
  }

  /** How many bytes its entries take, by what `set` was given. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Counts an entry as used now. */
  refresh(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  /** Adds an entry that takes this many bytes as the latest one, unless it alone is beyond the bounds. */
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

  /** Replaces each value by what `update` returns, and drops those for which it returns undefined. */
  updateAll(update: (value: Value) => Value | undefined): void {
    for (const [key, { value, bytes }] of this.#entries) {
      const updated = update(value)
      if (updated === undefined) this.delete(key)
      else if (updated !== value) this.#entries.set(key, { value: updated, bytes })
    }
  }

  /** The values, the one that was used last at the end. */
  values(): readonly Value[] {
    return Array.from(this.#entries.values(), ({ value }) => value)
  }
}
