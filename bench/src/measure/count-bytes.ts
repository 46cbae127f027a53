import type { Call } from './time-calls.ts'

/**
 * Measures the bytes that a call allocates on the heap, one value per round. Needs a process with `--expose-gc` and a
 * young generation large enough that no collection happens in between.
 */
export function countBytes(call: Call, rounds: number): readonly number[] {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('found no gc(), expected a process with --expose-gc')
  let last: unknown
  for (let index = 0; index < 50_000; index += 1) last = call()
  const values: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    gc()
    const empty = process.memoryUsage().heapUsed
    const before = process.memoryUsage().heapUsed
    for (let index = 0; index < calls; index += 1) last = call()
    const after = process.memoryUsage().heapUsed
    // Excludes what the measurement itself allocates. Fractions of a byte are unrelated allocations.
    values.push(Math.max(0, Math.round((after - before - (before - empty)) / calls)))
  }
  if (last === undefined) throw new Error('found a call without a result, expected it to compute something')
  return values
}

/** For the measuring process: 64 MiB are enough for the allocations between two collections. */
export const countingOptions: readonly string[] = [
  '--expose-gc',
  '--max-semi-space-size=128',
  '--min-semi-space-size=128',
]

const calls = 20_000
