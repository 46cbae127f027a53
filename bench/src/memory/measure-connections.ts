import { createAuthority } from '@countersign/testkit'
import type { ConnectionServerTask, Memory } from '../connections/connection-task.ts'
import { holdConnections, limitConnections } from '../connections/held-connections.ts'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import { isObject } from '../measure/is-object.ts'
import { differenceOf, type Generations, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { callerId } from '../workload.ts'
import { fitLine } from './fit-line.ts'

/** Measures the memory of open connections, and what 100,000 of them would use. */
export async function measureConnections(): Promise<readonly Table[]> {
  const most = limitConnections(10_000)
  const counts = [most / 4, most / 2, most].map((count) => Math.floor(count))
  const found: Readonly<Record<Server, Round[]>> = { bare: [], guarded: [] }
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['bare', 'guarded'] as const) : (['guarded', 'bare'] as const)
    for (const name of order) found[name].push(await measureServer(name === 'guarded', counts))
  }
  return [tabulateEach(found, counts), tabulateAll(found, counts)]
}

type Server = 'bare' | 'guarded'

/** Bytes that the connections add, by number of connections. */
type Round = ReadonlyMap<number, Memory>

function tabulateEach(found: Readonly<Record<Server, readonly Round[]>>, counts: readonly number[]): Table {
  const count = counts.at(-1) ?? 0
  const pick = (name: Server, of: keyof Memory): Generations =>
    found[name].map((round) => [(round.get(count)?.[of] ?? Number.NaN) / (count - first) / 1024])
  const rows = (['heap', 'resident'] as const).flatMap((of): readonly Row[] => {
    const what = of === 'heap' ? 'heap' : 'resident memory of the process'
    return [
      { what: `${what}, bare`, unit: 'KiB', spread: spreadOf(pick('bare', of)) },
      { what: `${what}, Countersign`, unit: 'KiB', spread: spreadOf(pick('guarded', of)) },
      {
        what: `${what}, difference from bare`,
        unit: 'KiB',
        spread: differenceOf(pick('guarded', of), pick('bare', of)),
        ...(of === 'heap' && {
          budget: {
            line: 'memory per open connection' as const,
            what: `heap at ${count.toLocaleString('en')} connections`,
            most: mostKiB,
            of: 'figure' as const,
          },
        }),
      },
    ]
  })
  return {
    title: `Memory for each of ${count.toLocaleString('en')} open connections`,
    note: 'After a garbage collection, and after one request on each. Every round is a fresh pair of processes. *Heap*: the JavaScript heap and its external memory.',
    rows,
  }
}

function tabulateAll(found: Readonly<Record<Server, readonly Round[]>>, counts: readonly number[]): Table {
  const pick = (name: Server, of: keyof Memory, count: number): Generations =>
    found[name].map((round) => [(round.get(count)?.[of] ?? Number.NaN) / 2 ** 20])
  const more = (count: number): Generations => subtract(pick('guarded', 'heap', count), pick('bare', 'heap', count))
  const lines = found.guarded.map((_, round) =>
    fitLine(counts.map((count) => [count, more(count)[round]?.[0] ?? Number.NaN])),
  )
  const whole = found.guarded.map((round) =>
    fitLine(counts.map((count) => [count, (round.get(count)?.resident ?? Number.NaN) / 2 ** 20])),
  )
  return {
    title: 'Memory for all open connections',
    note: `Of all but the first ${first}. The line is fitted by least squares, and continued to 100,000 connections, which this machine cannot open in one process.`,
    rows: [
      ...counts.map((count): Row => ({
        what: `heap, difference from bare, ${count.toLocaleString('en')} connections`,
        unit: 'MiB',
        spread: spreadOf(more(count)),
      })),
      {
        what: 'heap, difference from bare, largest distance from the line',
        unit: 'MiB',
        spread: spreadOf(lines.map(({ residual }) => [residual])),
      },
      {
        what: 'heap, difference from bare, 100,000 connections, extrapolated',
        unit: 'MiB',
        spread: spreadOf(lines.map(({ at }) => [at(many)])),
        budget: {
          line: 'memory per open connection',
          what: 'heap at 100,000 connections, extrapolated',
          most: (many * mostKiB) / 1024,
          of: 'figure',
        },
      },
      {
        what: 'resident memory of the process, 100,000 connections, extrapolated',
        unit: 'MiB',
        spread: spreadOf(whole.map(({ at }) => [at(many)])),
      },
    ],
  }
}

function subtract(values: Generations, base: Generations): Generations {
  return values.map((generation, index) =>
    generation.map((value, round) => value - (base[index]?.[round] ?? Number.NaN)),
  )
}

const rounds = 2
const many = 100_000
const mostKiB = 2

/** Opened before the first reading, so that one-time loading and compilation are not part of the difference. */
const first = 200

async function measureServer(isGuarded: boolean, counts: readonly number[]): Promise<Round> {
  const authority = await createAuthority('saas.example')
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const caller = await authority.issue(callerId)
  const material = { key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': authority.bundlePem } }
  const task: ConnectionServerTask = { isGuarded, material, updates: [] }
  const file = new URL('../connections/connection-server.js', import.meta.url)
  const { process: server, answer } = await MeasuredProcess.start(file, task, { execArgv: ['--expose-gc'] })
  const hold = { port: expectNumber(answer), key: caller.keyPem, cert: caller.certificatePem }
  const held = [await holdConnections({ ...hold, count: first })]
  const before = expectMemory(await server.ask('memory'))
  const round = new Map<number, Memory>()
  let open = first
  for (const count of counts) {
    held.push(await holdConnections({ ...hold, count: count - open }))
    open = count
    const { heap, resident } = expectMemory(await server.ask('memory'))
    round.set(count, { heap: heap - before.heap, resident: resident - before.resident })
  }
  await Promise.all(held.map((each) => each.close()))
  await server.stop()
  return round
}

function expectMemory(answer: unknown): Memory {
  const heap: unknown = isObject(answer) ? Reflect.get(answer, 'heap') : undefined
  const resident: unknown = isObject(answer) ? Reflect.get(answer, 'resident') : undefined
  if (typeof heap === 'number' && typeof resident === 'number') return { heap, resident }
  throw new Error('found an unexpected answer, expected the memory of the server')
}
