import { setTimeout as wait } from 'node:timers/promises'

/** Calls that continue until they are stopped, at the latest at the end of the scope. */
export interface Calls extends AsyncDisposable {
  /** Resolves when a call that started after this one was requested has finished. */
  readonly next: () => Promise<void>
  /** Stops, and returns every status, 0 for a failed call. */
  readonly stop: () => Promise<readonly number[]>
}

/** Calls repeatedly. */
export function keepCalling(call: () => Promise<{ readonly status: number }>): Calls {
  const statuses: number[] = []
  const stopping = new AbortController()
  let waiting: (() => void)[] = []
  const done = (async () => {
    while (!stopping.signal.aborted) {
      const asked = waiting
      waiting = []
      statuses.push(
        await call().then(
          ({ status }) => status,
          () => 0,
        ),
      )
      for (const resolve of asked) resolve()
      // Leaves time for the code that rotates.
      await wait(pause)
    }
  })()
  const stop = async (): Promise<readonly number[]> => {
    stopping.abort()
    await done
    return statuses
  }
  return {
    next: () => new Promise((resolve) => waiting.push(resolve)),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** Milliseconds. */
const pause = 10
