/**
 * Limits in milliseconds. They stop tests that hang and do not measure anything: a busy machine must not reach them.
 */
const long = process.env.COUNTERSIGN_LONG_TESTS === '1'

/** The maximum duration of a test; `npm run mutate` sets a shorter one. */
export const testTimeout = Number(process.env.COUNTERSIGN_TEST_TIMEOUT ?? (long ? 20 * 60_000 : 90_000))

/** The maximum time that a process may run without finishing a test. */
export const silence = testTimeout + 60_000

/** The maximum time that a process may run after its last test. */
export const ending = 45_000
