/** A place in a text, for people: both from 1. Columns count UTF-16 code units. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** Finds the lines of a text. Lines end in LF, CRLF or CR. */
export class LineIndex {
  readonly #starts: readonly number[]

  constructor(text: string) {
    const starts = [0]
    for (const { index, 0: ending } of text.matchAll(/\r\n|\n|\r/g)) starts.push(index + ending.length)
    this.#starts = starts
  }

  /** Returns the place of an index into the text. */
  placeOf(offset: number): Place {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 }
  }
}
