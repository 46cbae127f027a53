import type { Screen } from './output/screen.ts'

/** What a command has of the process that it runs in. */
export interface Context {
  /** What was asked for. */
  readonly output: Screen
  /** What goes wrong, and what else a person should know: never part of what another program reads. */
  readonly errors: Screen
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Epoch milliseconds. */
  readonly now: () => number
  /** For commands that stay: see `Ending`. */
  readonly stayUntilEnded: () => AbortSignal
}
