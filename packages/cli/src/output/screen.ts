import picocolors from 'picocolors'
import { escapeInvisible, escapeInvisibleJson } from './escape-invisible.ts'

/** What a screen needs of a stream: `process.stdout` has it. */
export interface ScreenStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Where a command prints to. On a terminal it has colours, unless `NO_COLOR` is set, and a last line that is redrawn. */
export class Screen {
  /** False for a pipe and a file: then nothing is coloured or redrawn. */
  readonly isTerminal: boolean
  readonly colors: ReturnType<typeof picocolors.createColors>
  readonly #stream: ScreenStream
  #hasStatus = false

  constructor(stream: ScreenStream, environment: Readonly<Record<string, string | undefined>>) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true
    // Not picocolors' own judgement: that would colour the log of a CI job, which is no terminal.
    const isWanted = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
    this.colors = picocolors.createColors(this.isTerminal && isWanted)
  }

  /** Prints a line of our own making; text from outside in it has been through `escapeInvisible`. */
  line(text: string): void {
    this.#clearStatus()
    this.#stream.write(`${text}\n`)
  }

  /** Prints a value as one line of JSON. */
  json(value: unknown): void {
    this.line(escapeInvisibleJson(JSON.stringify(value)))
  }

  /** Draws the last line anew, cut to the width of the terminal so that it stays one line; without a terminal nothing. */
  status(text: string): void {
    if (!this.isTerminal) return
    this.#clearStatus()
    const { columns = 0 } = this.#stream
    // Some terminals say 0. The last column stays free, where terminals differ in when they break the line.
    const room = (columns > 0 ? columns : 80) - 1
    const plain = escapeInvisible(text)
    this.#stream.write(this.colors.dim(plain.length <= room ? plain : `${plain.slice(0, room - 1)}…`))
    this.#hasStatus = true
  }

  /** Removes the last line that `status` drew. */
  clearStatus(): void {
    this.#clearStatus()
  }

  #clearStatus(): void {
    if (!this.#hasStatus) return
    this.#hasStatus = false
    // To the first column, and erase what stands there (ECMA-48 §8.3.41, EL).
    this.#stream.write('\r\u001b[2K')
  }
}
