import type { Readable } from 'node:stream'
import type { Screen } from './output/screen.ts'

/** What a command uses of its process. */
export interface Context {
  /** The requested output. */
  readonly output: Screen
  /** Errors and other messages for people, separate from the output that programs read. */
  readonly errors: Screen
  /** The standard input. */
  readonly input: Readable
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Epoch milliseconds. */
  readonly now: () => number
  /** For commands that keep running: see `Ending`. */
  readonly stayUntilEnded: () => AbortSignal
}
