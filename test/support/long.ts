/** Whether this is `npm run test:long`, where tests have the time to do all that they can do. */
export const isLong: boolean = process.env['COUNTERSIGN_LONG_TESTS'] === '1'

/** How often, how many or how long: `short` takes at most some five seconds, `long` as long as it takes. */
export function scale<Value>(short: Value, long: Value): Value {
  return isLong ? long : short
}
