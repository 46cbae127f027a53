import { runCommandLine } from '../../packages/cli/src/command-line.ts'
import { Screen } from '../../packages/cli/src/output/screen.ts'
import type { Finished, Variables } from './run-command.ts'

/**
 * Runs `countersign` in this process, with screens that are read. That costs a hundredth of a process of its own, which
 * is left to the tests of what only a process has.
 *
 * @param ended ends a command that stays; by default it ends at once
 */
export async function runInProcess(
  args: readonly string[],
  environment: Variables = {},
  ended: AbortSignal = AbortSignal.abort(),
): Promise<Finished> {
  const [output, errors]: [string[], string[]] = [[], []]
  const exitCode = await runCommandLine(args, {
    output: new Screen({ write: (text) => output.push(text) }, environment),
    errors: new Screen({ write: (text) => errors.push(text) }, environment),
    environment,
    now: Date.now,
    stayUntilEnded: () => ended,
  })
  return { exitCode, output: output.join(''), errors: errors.join('') }
}
