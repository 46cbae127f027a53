/** Whether this is `npm run test:long`, in which tests run in full. */
export const isLong: boolean = process.env['COUNTERSIGN_LONG_TESTS'] === '1'

/** Returns a count or a duration: `short` may take about five seconds, `long` as long as it needs. */
export function scale<Value>(short: Value, long: Value): Value {
  return isLong ? long : short
}
