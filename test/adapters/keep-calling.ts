import { setTimeout as wait } from 'node:timers/promises'

/** Calls again and again until it is stopped; gives the function that stops it, which tells every status, 0 for a call that failed. */
export function keepCalling(call: () => Promise<{ readonly status: number }>): () => Promise<readonly number[]> {
  const statuses: number[] = []
  const stopping = new AbortController()
  const done = (async () => {
    while (!stopping.signal.aborted) {
      statuses.push(
        await call().then(
          ({ status }) => status,
          () => 0,
        ),
      )
      // Whoever rotates has to come to it, too.
      await wait(pause)
    }
  })()
  return async () => {
    stopping.abort()
    await done
    return statuses
  }
}

/** Milliseconds. */
const pause = 10
