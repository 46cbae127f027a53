/** A function to be called repeatedly. Returns what it computed, so that no compiler removes the work. */
export type Call = () => unknown

/**
 * Measures nanoseconds per call, one value per round. The calls take turns within a round, so that they share slow
 * moments of the machine.
 */
export function timeCalls(
  calls: Readonly<Record<string, Call>>,
  rounds: number,
): Readonly<Record<string, readonly number[]>> {
  const subjects = Object.entries(calls).map(([name, call]): TimedCall => {
    return { name, call, count: findCount(call), times: [] }
  })
  for (let round = 0; round < rounds; round += 1) {
    const first = round % subjects.length
    for (const { call, count, times } of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      times.push(timeBatch(call, count) / count)
    }
  }
  return Object.fromEntries(subjects.map(({ name, times }) => [name, times]))
}

interface TimedCall {
  readonly name: string
  readonly call: Call
  /** Calls per batch. */
  readonly count: number
  readonly times: number[]
}

const batchNanoseconds = 8_000_000

// Grows the batch until it is long enough to be timed, which also runs the call often enough for the compiler. Checks
// again, because a concurrent compiler or collector makes a short batch look long.
function findCount(call: Call): number {
  let count = 1
  for (let looks = 0; looks < 5;) {
    const time = timeBatch(call, count)
    if (time < batchNanoseconds) count *= 2
    else looks += 1
  }
  return count
}

// Processor time, because the clock continues while other programs have the processor.
function timeBatch(call: Call, count: number): number {
  const start = process.cpuUsage()
  let last: unknown
  for (let index = 0; index < count; index += 1) last = call()
  const { user, system } = process.cpuUsage(start)
  // Read, so that no compiler removes the calls.
  if (last === undefined) throw new Error('found a call without a result, expected it to compute something')
  return (user + system) * 1000
}
