import { isObject } from '../measure/is-object.ts'
import { MeasuredProcess } from '../measure/child-process.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'

/** The task of the process that holds the connections. */
export interface ScaleTask {
  readonly count: number
  readonly rounds: number
}

/** The processor time of each step, in microseconds for each connection, by round. */
export type StepTimes = Readonly<Record<Step, readonly number[]>>

type Step = keyof typeof steps

const steps = {
  open: 'open, caller seen before',
  update: 'check again under new authorities',
  close: 'closed by the caller',
  expire: "closed when the caller's certificate expires",
}

/** Measures whether a connection costs more if there are ten times as many. */
export async function measureScale(): Promise<Table> {
  const [few, many] = [await measure(10_000), await measure(100_000)]
  const rows = stepNames.flatMap((step): readonly Row[] => {
    const [base, values]: readonly Generations[] = [[few[step]], [many[step]]]
    if (base === undefined || values === undefined) return []
    return [
      { what: `${steps[step]}, 10,000`, unit: 'µs', spread: spreadOf(base) },
      { what: `${steps[step]}, 100,000`, unit: 'µs', spread: spreadOf(values), ratio: ratioOf(values, base) },
    ]
  })
  return {
    title: 'Processor time of a guard for each of 10,000 and 100,000 connections',
    against: '10,000',
    note: "The guard's own part: its registry, timers and verdicts, for streams without TLS and without a network, a hundred from each caller. Constant costs of a step make fewer connections look more expensive; a cost that grows with the number of connections would raise the ratio to 10.",
    rows,
  }
}

const stepNames: readonly Step[] = ['open', 'update', 'close', 'expire']

async function measure(count: number): Promise<StepTimes> {
  const task: ScaleTask = { count, rounds: 3 }
  const file = new URL('./scale-process.js', import.meta.url)
  const { process, answer } = await MeasuredProcess.start(file, task, { execArgv: ['--expose-gc'] })
  await process.stop()
  const read = (step: Step): readonly number[] => {
    const values: unknown = isObject(answer) ? Reflect.get(answer, step) : undefined
    return Array.isArray(values) ? values.filter((value) => typeof value === 'number') : []
  }
  return { open: read('open'), update: read('update'), close: read('close'), expire: read('expire') }
}
