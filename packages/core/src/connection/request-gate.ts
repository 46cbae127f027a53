/**
 * Decides a request that Node emits as `event`, and answers it if it is denied. Returns a promise only if verifying the
 * request's credential has to wait.
 */
export type RequestGate = (event: string, request: unknown, response: unknown) => boolean | Promise<boolean>

/** The function `emit` of a server. */
export type Emit = (this: unknown, event: string | symbol, ...values: readonly unknown[]) => boolean

/** Returns whether a value can be the function `emit` of a server. */
export function isEmit(value: unknown): value is Emit {
  return typeof value === 'function'
}

/**
 * Emits a request whose decision had to wait, in a tick of its own, so that what a listener throws is an uncaught
 * exception, as it would be without waiting.
 */
export function emitLater(isAllowed: Promise<boolean>, emit: () => void): void {
  void isAllowed.then((allowed) => {
    if (allowed) process.nextTick(emit)
  })
}
