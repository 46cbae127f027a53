/**
 * Limits in milliseconds. They are there to end what hangs, not to measure: a machine that is busy with something else
 * must not reach them.
 */
const long = process.env.COUNTERSIGN_LONG_TESTS === '1'

/** How long a test may take; `npm run mutate` gives them less. */
export const testTimeout = Number(process.env.COUNTERSIGN_TEST_TIMEOUT ?? (long ? 20 * 60_000 : 90_000))

/** How long a process may go on without a test that ends. */
export const silence = testTimeout + 60_000

/** How long a process may go on after its last test. */
export const ending = 45_000
