/**
 * Waits until a listener is called with a matching value. The timer keeps the process alive, because a source does not.
 */
export function waitForEvent<Value>(
  listen: (listener: (value: Value) => void) => (() => void) | undefined,
  fits: (value: Value) => boolean,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error('expected something that never came')), 30_000)
    const stop = listen((value) => {
      if (!fits(value)) return
      clearTimeout(deadline)
      resolve(value)
      queueMicrotask(() => stop?.())
    })
  })
}
