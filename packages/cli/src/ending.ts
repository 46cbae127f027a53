import type { EventEmitter } from 'node:events'

/** Notifies a long-running command that it should end. */
export interface Ending {
  /**
   * Makes SIGINT, SIGTERM and SIGHUP abort this signal instead of ending the process, so that the command can clean up.
   * A closed pipe aborts it too.
   */
  readonly stayUntilEnded: () => AbortSignal
}

/** The events of a process that are listened to. */
export interface EndingProcess extends Listened {
  readonly stdout: Listened
  readonly stderr: Listened
}

type Listened = Pick<EventEmitter, 'on'>

/** Listens for the signals of the process. A reader that has exited (`countersign fetch | head -1`) is not an error. */
export function createEnding(process: EndingProcess): Ending {
  const controller = new AbortController()
  const end = (): void => controller.abort()
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal is gone, which SIGHUP reports as well.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
      end()
    })
  }
  return {
    stayUntilEnded: () => {
      // Not `once`: under npx, Ctrl-C arrives twice, and the second would end the process before the socket is removed.
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
      return controller.signal
    },
  }
}

/** Resolves when the signal is aborted, immediately if it already is. Does not keep the process alive. */
export function waitForEnd(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
