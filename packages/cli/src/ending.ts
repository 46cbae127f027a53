import type { EventEmitter } from 'node:events'

/** How a command that stays learns that it is to end. */
export interface Ending {
  /**
   * From now on SIGINT, SIGTERM and SIGHUP no longer kill the process but abort this signal, so that what was made can be
   * removed; as does a closed pipe.
   */
  readonly stayUntilEnded: () => AbortSignal
}

/** What is listened to of a process. */
export interface EndingProcess extends Listened {
  readonly stdout: Listened
  readonly stderr: Listened
}

type Listened = Pick<EventEmitter, 'on'>

/** Listens to the signals of the process, and takes a reader that has gone (`countersign fetch | head -1`) for no error. */
export function createEnding(process: EndingProcess): Ending {
  const controller = new AbortController()
  const end = (): void => controller.abort()
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal itself has gone, about which SIGHUP tells as well.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
      end()
    })
  }
  return {
    stayUntilEnded: () => {
      // Not `once`: Ctrl-C under npx arrives twice, and the second would kill us before the socket is removed.
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
      return controller.signal
    },
  }
}

/** Resolves when the signal is aborted, at once where it is already; keeps no process alive by itself. */
export function waitForEnd(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
