/** Something to be called over and over; gives back what it computed, so that no compiler leaves the work out. */
export type Call = () => unknown

/**
 * Measures nanoseconds per call, one value for each round. The calls take turns within a round, so that a slow moment
 * of the machine is shared among them.
 */
export function timeCalls<Name extends string>(calls: Readonly<Record<Name, Call>>): Record<Name, number[]>
export function timeCalls(calls: Readonly<Record<string, Call>>): Record<string, number[]> {
  const subjects = Object.entries(calls).map(([name, call]) => ({ name, call, count: findCount(call), times: [0] }))
  for (const subject of subjects) subject.times = []
  for (let round = 0; round < rounds; round += 1) {
    for (const { call, count, times } of subjects) times.push(timeBatch(call, count) / count)
  }
  return Object.fromEntries(subjects.map(({ name, times }) => [name, times]))
}

const rounds = 40
const batchNanoseconds = 15_000_000

// Grows the batch until it is long enough to be timed, which also lets the compiler see the call often enough.
function findCount(call: Call): number {
  let count = 1000
  for (;;) {
    const time = timeBatch(call, count)
    if (time > batchNanoseconds) return Math.ceil((count * batchNanoseconds) / time)
    count *= 2
  }
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
