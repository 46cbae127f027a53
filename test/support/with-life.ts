/** The lifetime of a certificate that expires during a test. */
export interface Life {
  /** The lifetime to issue; longer on each attempt. */
  readonly seconds: number
  /** The factor relative to the first attempt. */
  readonly scale: number
  /** To be called after setting up everything that must exist while the certificate is valid. */
  readonly begun: () => void
  /** Whether it is too late to call `begun`, so that waiting for the setup stops. */
  readonly isLate: () => boolean
}

/**
 * Runs a test of what happens when a certificate expires. On a busy machine the certificate may have expired before
 * the connection existed that was to close with it: then the test restarts with twice the lifetime. Failures after
 * `begun`, or early in the lifetime, fail immediately. Lifetimes of concurrent tests start one after the other.
 *
 * @param seconds the lifetime of the certificate
 * @param most seconds that may pass until `begun`; default half of its lifetime
 */
export async function withLife(
  seconds: number,
  body: (life: Life) => Promise<void>,
  most: number = seconds / 2,
): Promise<void> {
  for (let scale = 1; ; scale *= 2) {
    const done = await takeTurn()
    const deadline = performance.now() + most * scale * 1000
    let hasBegun = false
    const isLate = (): boolean => performance.now() > deadline
    const begun = (): void => {
      if (isLate()) throw new Error(`not set up within ${most * scale} seconds`)
      hasBegun = true
      done()
    }
    try {
      return await body({ seconds: seconds * scale, scale, begun, isLate })
    } catch (error) {
      if (hasBegun || !isLate() || scale >= mostScale) throw error
    } finally {
      done()
    }
  }
}

const mostScale = 16

let last: Promise<void> = Promise.resolve()

/** Resolves when it is the caller's turn; calling the function starts the next turn. */
async function takeTurn(): Promise<() => void> {
  const before = last
  let done = (): void => undefined
  last = new Promise((resolve) => {
    done = resolve
  })
  await before
  return () => done()
}
