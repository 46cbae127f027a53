import type { Call } from './time-calls.ts'

/**
 * Measures the bytes that a call allocates on the heap, one value for each round. Needs a process with `--expose-gc` and
 * a young generation so large that no collection comes in between.
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
    // What asking allocates is no part of it, and parts of a byte are what something else allocated meanwhile.
    values.push(Math.max(0, Math.round((after - before - (before - empty)) / calls)))
  }
  if (last === undefined) throw new Error('found a call without a result, expected it to compute something')
  return values
}

/** For the process that counts: 64 MiB hold what is allocated between two collections. */
export const countingOptions: readonly string[] = [
  '--expose-gc',
  '--max-semi-space-size=128',
  '--min-semi-space-size=128',
]

const calls = 20_000
