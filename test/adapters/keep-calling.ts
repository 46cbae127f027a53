import { setTimeout as wait } from 'node:timers/promises'

/** Calls that go on until they are stopped, at the latest at the end of the scope. */
export interface Calls extends AsyncDisposable {
  /** Resolves when a call that began after this one was asked for has ended. */
  readonly next: () => Promise<void>
  /** Stops, and gives every status, 0 for a call that failed. */
  readonly stop: () => Promise<readonly number[]>
}

/** Calls again and again. */
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
      // Whoever rotates has to come to it, too.
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
