import { execFile } from 'node:child_process'
import { lastLine } from './foreign-server.ts'

/** A platform cannot be measured here; the message says why. */
export class PlatformMissing extends Error {}

/**
 * Runs a tool to its end and returns what it printed.
 *
 * @throws {PlatformMissing} if it is not installed or fails
 */
export function runTool(command: string, args: readonly string[], folder?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 300_000, maxBuffer: 64 * 2 ** 20, ...(folder !== undefined && { cwd: folder }) }
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const printed = `${stdout}\n${stderr}`
      if (error === null) resolve(printed)
      else if (error.code === 'ENOENT') reject(new PlatformMissing(`found no ${command} on the PATH`))
      else reject(new PlatformMissing(`${command} failed: ${findReason(printed)}`))
    })
  })
}

// Maven ends with advice, and names the error before.
function findReason(printed: string): string {
  const [line] = /^(?:\[ERROR\]|ERROR:|error:) .+/m.exec(printed) ?? []
  return (line ?? lastLine(printed)).slice(0, 300)
}
