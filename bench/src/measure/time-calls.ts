/** Something to be called over and over; gives back what it computed, so that no compiler leaves the work out. */
export type Call = () => unknown

/**
 * Measures nanoseconds per call, one value for each round. The calls take turns within a round, so that a slow moment
 * of the machine is shared among them.
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
  /** Calls of a batch. */
  readonly count: number
  readonly times: number[]
}

const batchNanoseconds = 8_000_000

// Grows the batch until it is long enough to be timed, which also lets the compiler see the call often enough. Looks
// again, because a compiler or collector at work beside it makes a short batch look long.
function findCount(call: Call): number {
  let count = 1
  for (let looks = 0; looks < 5;) {
    const time = timeBatch(call, count)
    if (time < batchNanoseconds) count *= 2
    else looks += 1
  }
  return count
}

// Processor time and not the clock, which goes on while other programs have the processor.
function timeBatch(call: Call, count: number): number {
  const start = process.cpuUsage()
  let last: unknown
  for (let index = 0; index < count; index += 1) last = call()
  const { user, system } = process.cpuUsage(start)
  // Read, so that no compiler leaves the calls out.
  if (last === undefined) throw new Error('found a call without a result, expected it to compute something')
  return (user + system) * 1000
}
