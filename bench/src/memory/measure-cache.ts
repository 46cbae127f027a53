import { MeasuredProcess } from '../measure/child-process.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Budget, Row, Table } from '../report/result.ts'

/** What a client can send in unlimited variety. */
export type Kind = 'SVIDs' | 'paths' | 'escapes' | 'queries' | 'clients'

/** The task of the measuring process. */
export interface CacheTask {
  readonly kind: Kind
  /** The numbers of different inputs after which the memory is measured. */
  readonly counts: readonly number[]
}

/** Measures the heap of a guard while it sees a million different inputs of each kind. */
export async function measureCaches(): Promise<readonly Table[]> {
  const [svids, ...others] = await Promise.all([
    readHeap({ kind: 'SVIDs', counts: svidCounts }),
    ...bounds.map(({ kind }) => readHeap({ kind, counts: otherCounts })),
  ])
  return [tabulateSvids(svids), tabulateAll(svids, others)]
}

/** MiB: the readings after each number. */
type Readings = readonly (readonly number[])[]

async function readHeap(task: CacheTask): Promise<Readings> {
  const file = new URL('./cache-process.js', import.meta.url)
  const { process, answer } = await MeasuredProcess.start(file, task, { execArgv: ['--expose-gc'] })
  await process.stop()
  if (!Array.isArray(answer)) throw new Error('found an unexpected answer, expected the heap by number of inputs')
  return answer.map((values: unknown) =>
    Array.isArray(values) ? values.filter((value) => typeof value === 'number') : [],
  )
}

function tabulateSvids(readings: Readings): Table {
  const read = (count: number): Generations => [readings[svidCounts.indexOf(count)] ?? []]
  const rows = svidCounts.map((count): Row => {
    const row: Row = { what: `${count.toLocaleString('en')} SVIDs`, unit: 'MiB', spread: spreadOf(read(count)) }
    if (count <= kept) return row
    const ratio = ratioOf(read(count), read(kept))
    return { ...row, ratio, ...(count === million && { budget: growthBudget }) }
  })
  return {
    title: 'Heap after a number of different SVIDs',
    against: '4,096 SVIDs',
    note: 'Relative to the process before the first one. At most 4,096 verdicts are kept; older ones are evicted.',
    rows,
  }
}

function tabulateAll(svids: Readings, others: readonly Readings[]): Table {
  const rows = [
    createRow('SVIDs', 'SVIDs', svidBound, svids.slice(-1)),
    ...bounds.map(({ kind, what, most }, index) => createRow(kind, what, most, others[index] ?? [])),
  ]
  return {
    title: 'Heap after 1,000,000 different inputs of each kind',
    note: 'Relative to the process before the first one. The budget is the documented bound of the caches involved. Caches of paths are cleared when they are full, so each figure is the highest of many readings. Tokens are not listed: nothing caches them.',
    rows,
  }
}

function createRow(kind: Kind, what: string, most: number, readings: Readings): Row {
  const highest = Math.max(...readings.map((values) => Math.min(...values)))
  const budget: Budget = { line: 'caches are bounded', what: `heap after 1,000,000 ${what}`, most, of: 'figure' }
  const values: Generations = [kind === 'SVIDs' ? (readings[0] ?? []) : [highest]]
  return { what, unit: 'MiB', spread: spreadOf(values), budget }
}

/** The maximum number of cached verdicts. */
const kept = 4096
const million = 1_000_000

const svidCounts = [1000, kept, 10_000, 100_000, million]

// Not at regular intervals, which could always hit a cache that was just cleared.
const otherCounts = [
  ...Array.from({ length: 50 }, (_, index) => Math.round((million * (index + 1) ** 1.3) / 51 ** 1.3)),
  million,
]

/** MiB: 32 for verdicts and 1 for intermediates. */
const svidBound = 33

// MiB. See "Bounds of memory" in ARCHITECTURE.md.
const bounds: readonly { readonly kind: Exclude<Kind, 'SVIDs'>; readonly what: string; readonly most: number }[] = [
  { kind: 'paths', what: 'paths', most: 8 },
  { kind: 'escapes', what: 'paths with escapes', most: 4 },
  { kind: 'queries', what: 'queries', most: 4 },
  { kind: 'clients', what: 'clients with failed handshakes', most: 8 },
]

const growthBudget: Budget = {
  line: 'caches are bounded',
  what: 'heap after 1,000,000 SVIDs against 4,096',
  most: 1.1,
  of: 'ratio',
}
