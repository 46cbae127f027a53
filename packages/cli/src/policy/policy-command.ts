import type { Context } from '../context.ts'
import type { PolicyFlags } from './policy-options.ts'

/** One of the commands below `countersign policy`, as `command-line.ts` registers it. */
export interface PolicyCommand {
  readonly name: string
  /** In the syntax of the parser: `<method> <path> <files...>`. */
  readonly arguments: string
  readonly description: string
  readonly options: readonly PolicyOption[]
  /** The text after the options. */
  readonly help: string
  /** Returns the exit code. `given` are the arguments; a variadic one is a list. */
  readonly run: (given: readonly unknown[], flags: PolicyFlags, context: Context) => Promise<number>
}

/** An option of a command. */
export interface PolicyOption {
  readonly flags: string
  readonly description: string
  readonly isRepeatable?: true
}
