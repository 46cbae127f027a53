import picocolors from 'picocolors'
import { escapeInvisible, escapeInvisibleJson } from './escape-invisible.ts'

/** What a screen needs of a stream; `process.stdout` satisfies it. */
export interface ScreenStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** The output of a command. A terminal gets colors, unless `NO_COLOR` is set, and a status line that is redrawn. */
export class Screen {
  /** False for a pipe or a file, which get neither colors nor a status line. */
  readonly isTerminal: boolean
  readonly colors: ReturnType<typeof picocolors.createColors>
  readonly #stream: ScreenStream
  #hasStatus = false

  constructor(stream: ScreenStream, environment: Readonly<Record<string, string | undefined>>) {
    this.#stream = stream
    this.isTerminal = stream.isTTY === true
    // Replaces picocolors' own detection, which would color the log of a CI job.
    const isWanted = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
    this.colors = picocolors.createColors(this.isTerminal && isWanted)
  }

  /** Prints a line. Text from outside must have been passed through `escapeInvisible`. */
  line(text: string): void {
    this.#clearStatus()
    this.#stream.write(`${text}\n`)
  }

  /** Prints a value as one line of JSON. */
  json(value: unknown): void {
    this.line(escapeInvisibleJson(JSON.stringify(value)))
  }

  /** Redraws the status line, cut to the width of the terminal. Does nothing without a terminal. */
  status(text: string): void {
    if (!this.isTerminal) return
    this.#clearStatus()
    const { columns = 0 } = this.#stream
    // Some terminals report 0. The last column stays empty, because terminals differ in when they wrap.
    const room = (columns > 0 ? columns : 80) - 1
    const plain = escapeInvisible(text)
    this.#stream.write(this.colors.dim(plain.length <= room ? plain : `${plain.slice(0, room - 1)}…`))
    this.#hasStatus = true
  }

  /** Removes the status line. */
  clearStatus(): void {
    this.#clearStatus()
  }

  #clearStatus(): void {
    if (!this.#hasStatus) return
    this.#hasStatus = false
    // Moves to the first column and erases the line (ECMA-48 §8.3.41, EL).
    this.#stream.write('\r\u001b[2K')
  }
}
