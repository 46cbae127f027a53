import { Readable } from 'node:stream'
import { runCommandLine } from '../../packages/cli/src/command-line.ts'
import { Screen } from '../../packages/cli/src/output/screen.ts'
import type { Finished, Variables } from './run-command.ts'

/**
 * Runs `countersign` in this process and captures its output. That takes a hundredth of the time of a separate process,
 * which is only needed for the behaviour of a process.
 *
 * @param ended stops a long-running command; by default it stops immediately
 */
export async function runInProcess(
  args: readonly string[],
  environment: Variables = {},
  ended: AbortSignal = AbortSignal.abort(),
  input = '',
): Promise<Finished> {
  const [output, errors]: [string[], string[]] = [[], []]
  const exitCode = await runCommandLine(args, {
    output: new Screen({ write: (text) => output.push(text) }, environment),
    errors: new Screen({ write: (text) => errors.push(text) }, environment),
    input: Readable.from([input]),
    environment,
    now: Date.now,
    stayUntilEnded: () => ended,
  })
  return { exitCode, output: output.join(''), errors: errors.join('') }
}
