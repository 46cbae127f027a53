/**
 * Calls back at a moment (epoch milliseconds) however far away: `setTimeout` fires at once for more than 24.8 days. A
 * clock that is set, or a machine that slept, is noticed within a minute. Keeps no process alive. Gives the function
 * that ends it.
 */
export function callAt(moment: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (): void => {
    const remaining = moment - Date.now()
    timer = setTimeout(() => (Date.now() < moment ? wait() : callback()), Math.max(0, Math.min(remaining, longestWait)))
    timer.unref()
  }
  wait()
  return () => clearTimeout(timer)
}

/** Milliseconds until the clock is looked at again. */
export const longestWait = 60_000
