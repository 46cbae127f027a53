/**
 * Calls back at a given time (epoch milliseconds), however far away; `setTimeout` fires immediately for more than 24.8
 * days. A clock change or a suspended machine is noticed within a minute. Does not keep the process alive. Returns a
 * function that cancels it.
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

/** The longest wait, in milliseconds, before the clock is read again. */
export const longestWait = 60_000
