import { MeasuredProcess } from '../measure/child-process.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Budget, Row, Table } from '../report/result.ts'

/** The task of the measuring process. */
export interface CacheTask {
  /** The numbers of workloads after which the memory is measured. */
  readonly counts: readonly number[]
}

/** The memory of a guard while it verifies more and more workloads, each with a different certificate. */
export async function measureCache(): Promise<Table> {
  const task: CacheTask = { counts }
  const file = new URL('./cache-process.js', import.meta.url)
  const { process, answer } = await MeasuredProcess.start(file, task, { execArgv: ['--expose-gc'] })
  await process.stop()
  if (!Array.isArray(answer)) throw new Error('found an unexpected answer, expected bytes by number of certificates')
  const read = (count: number): Generations => {
    const rounds: unknown = answer[counts.indexOf(count)]
    return [Array.isArray(rounds) ? rounds.filter((value) => typeof value === 'number') : []]
  }
  const rows = counts.map((count): Row => {
    const row: Row = { what: `${count.toLocaleString('en')} SVIDs`, unit: 'MiB', spread: spreadOf(read(count)) }
    if (count <= bound) return row
    const ratio = ratioOf(read(count), read(bound))
    return { ...row, ratio, ...(count === counts.at(-1) && { budget }) }
  })
  return {
    title: 'Heap after a number of different SVIDs',
    against: '4,096 SVIDs',
    note: 'Relative to the process before the first one. At most 4,096 verdicts are kept; older ones are dropped.',
    rows,
  }
}

// The maximum number of cached verdicts.
const bound = 4096

const counts = [1000, bound, 10_000, 30_000, 100_000]

const budget: Budget = {
  line: 'caches are bounded',
  what: 'heap after 100,000 SVIDs against 4,096',
  most: 1.1,
  of: 'ratio',
}
