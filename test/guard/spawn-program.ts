import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** Runs an ES module in a separate process until it exits by itself. */
export async function spawnProgram(
  source: string,
  flags: readonly string[] = [],
): Promise<{ readonly status: number | null; readonly printed: string }> {
  const child = spawn(process.execPath, [...flags, '--input-type=module', '--eval', source], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { status: child.exitCode, printed }
}
