/**
 * Calls back at a moment (epoch milliseconds) however far away: `setTimeout` fires at once for more than 24.8 days.
 * Keeps no process alive. Gives the function that ends it.
 */
export function callAt(moment: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (): void => {
    const remaining = moment - Date.now()
    if (remaining <= 0) return callback()
    timer = setTimeout(wait, Math.min(remaining, longestTimeout)).unref()
  }
  timer = setTimeout(wait, Math.max(0, Math.min(moment - Date.now(), longestTimeout))).unref()
  return () => clearTimeout(timer)
}

const longestTimeout = 2 ** 31 - 1
