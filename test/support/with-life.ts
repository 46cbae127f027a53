/** The life of a certificate that a test lets end. */
export interface Life {
  /** To be issued for; longer on each attempt. */
  readonly seconds: number
  /** How many times as long it is as in the first attempt. */
  readonly scale: number
  /** To be called when all is set up that has to be there while the certificate is valid. */
  readonly begun: () => void
  /** Whether it is too late for that: a wait for what is set up then ends. */
  readonly isLate: () => boolean
}

/**
 * Runs a test of what happens when a certificate ends. On a busy machine the certificate may have ended before the
 * connection was there that was to end with it: then the test begins again with a life that is twice as long. What goes
 * wrong after `begun`, or early in the life, is a failure at once. Lives of tests that run concurrently begin one after
 * the other.
 *
 * @param seconds how long the certificate is to live
 * @param most seconds that may pass until `begun`; default half of its life
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

/** Resolves when it is the caller's turn; the next one comes when it calls the function. */
async function takeTurn(): Promise<() => void> {
  const before = last
  let done = (): void => undefined
  last = new Promise((resolve) => {
    done = resolve
  })
  await before
  return () => done()
}
