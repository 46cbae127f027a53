/**
 * How long a test and a file may take, in milliseconds. They are there to end what hangs, not to measure: a machine that
 * is busy with something else must not reach them.
 */
const long = process.env.COUNTERSIGN_LONG_TESTS === '1'

export const testTimeout = long ? 20 * 60_000 : 90_000
export const fileTimeout = long ? 30 * 60_000 : 180_000
