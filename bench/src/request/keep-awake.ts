/**
 * Keeps the event loop of this process busy until the promise settles.
 *
 * A load generator that waits for responses would sleep, and a `write` that wakes a sleeping process takes several
 * times as long as one that does not. Which of two servers pays for that depends on which one is a little faster than
 * the load generator, so a difference of 1 µs can appear as 8 µs.
 */
export async function keepAwake<Value>(pending: Promise<Value>): Promise<Value> {
  let isPending = true
  const turn = (): void => {
    if (isPending) setImmediate(turn)
  }
  turn()
  try {
    return await pending
  } finally {
    isPending = false
  }
}
