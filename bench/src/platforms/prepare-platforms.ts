import { createContext } from '../handshake/open-connections.ts'
import type { Progress } from '../measure/progress.ts'
import { askOnceEach } from './ask-once.ts'
import { type BuiltPlatform, foreignPlatforms } from './foreign-platforms.ts'
import type { Callers } from './issue-callers.ts'
import type { Platform } from './platform.ts'
import { hasThreadTimes } from './thread-times.ts'

/** What can be measured on this machine. */
export interface PreparedPlatforms {
  readonly platforms: readonly Platform[]
  /** A sentence about each platform: its versions, or why it is missing. */
  readonly notes: readonly string[]
}

/** Builds the other platforms in a folder and tries each. One that is missing or fails is reported and left out. */
export async function preparePlatforms(
  folder: string,
  callers: Callers,
  progress: Progress,
): Promise<PreparedPlatforms> {
  const platforms: Platform[] = []
  const notes: string[] = []
  for (const foreign of foreignPlatforms) {
    progress.note(`building ${foreign.name}`)
    try {
      if (!hasThreadTimes()) throw new Error('the processor time of another program can only be read on Linux')
      const built = await foreign.build(folder)
      await tryPlatform(built, callers)
      platforms.push({ ...built, name: foreign.name })
      notes.push(`${built.versions}.`)
    } catch (error) {
      const reason = describeError(error)
      process.stderr.write(`platforms: ${foreign.name} is skipped: ${reason}\n`)
      notes.push(`${foreign.name} was not measured: ${reason.replaceAll(folder, '.')}.`)
    }
  }
  return { platforms, notes }
}

/** Starts both servers and checks that only the guarded one refuses a caller that is not listed. */
async function tryPlatform({ start }: BuiltPlatform, { keyPem, chains, stranger }: Callers): Promise<void> {
  const [listed = ''] = chains
  for (const mode of ['bare', 'guarded'] as const) {
    const server = await start(mode)
    try {
      await askOnceEach(server.port, [createContext(keyPem, listed)], { lanes: 1, status: 200 })
      const status = mode === 'bare' ? 200 : 403
      await askOnceEach(server.port, [createContext(keyPem, stranger)], { lanes: 1, status })
    } finally {
      await server.stop()
    }
  }
}

/** Returns the message of what was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : 'a non-Error value was thrown'
}
