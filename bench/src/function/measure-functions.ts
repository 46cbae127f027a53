import { MeasuredProcess } from '../measure/child-process.ts'
import { countingOptions } from '../measure/count-bytes.ts'
import type { Progress } from '../measure/progress.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { engines } from './engines.ts'
import { type FunctionTask, isRounds } from './function-task.ts'

/** The time and memory of one `guard.admit` call, and the time that other engines need for the same decision. */
export async function* measureFunctions(progress: Progress): AsyncGenerator<Table> {
  progress.note('one call')
  yield await measureCall()
  progress.note('heap of one call')
  yield await measureBytes()
  progress.note('number of rules')
  yield await measureRules()
  progress.note('every rule in turn')
  yield await measureRulesInTurn()
  progress.note('number of policies')
  yield await measurePolicies()
  progress.note('every policy in turn')
  yield await measurePoliciesInTurn()
  progress.note('other engines')
  yield* await measureEngines()
}

/** The ratios between many rules and few. */
export async function* measureFewFunctions(progress: Progress): AsyncGenerator<Table> {
  progress.note('number of rules')
  yield await measureRules()
  progress.note('every rule in turn')
  yield await measureRulesInTurn()
  progress.note('number of policies')
  yield await measurePolicies()
  progress.note('every policy in turn')
  yield await measurePoliciesInTurn()
}

async function measureCall(): Promise<Table> {
  const times = await run([{ kind: 'call', rounds: 20 }])
  const figure = (what: string, name: string): Row => ({
    what,
    unit: 'ns',
    spread: spreadOf(times(name)),
    ratio: ratioOf(times(name), times('allowed')),
  })
  return {
    title: 'Authenticate and decide, one call, 3 rules',
    against: 'Countersign',
    rows: [
      {
        what: 'Countersign, allowed',
        unit: 'ns',
        spread: spreadOf(times('allowed')),
        budget: { line: 'authenticate and decide, one call', what: '3 rules, allowed', most: 150, of: 'figure' },
      },
      figure('Countersign, denied, with its event', 'denied'),
      figure('hand-written check', 'handwritten'),
    ],
  }
}

async function measureBytes(): Promise<Table> {
  const bytes = await run([{ kind: 'bytes', rounds: 5 }], { execArgv: countingOptions })
  const figure = (what: string, name: string): Row => ({ what, unit: 'B', spread: spreadOf(bytes(name)) })
  const budgeted = (what: string, name: string): Row => ({
    ...figure(what, name),
    budget: { line: 'an allowed decision allocates', what, most: 0, of: 'figure' },
  })
  return {
    title: 'Heap that one call allocates',
    rows: [
      budgeted('Countersign, allowed', 'allowed'),
      budgeted("Countersign, allowed, with the route's own requirement", 'allowed, with the route'),
      figure('Countersign, denied, with its event', 'denied'),
      figure('hand-written check', 'handwritten'),
    ],
  }
}

const counts = [10, 100, 1000, 10_000]

const measureRules = (): Promise<Table> =>
  measureCounts('rules', 'again', 'Authenticate and decide by number of rules, one path')

const measureRulesInTurn = (): Promise<Table> => measureCounts('rules', 'in turn', 'The same for each rule in turn')

const measurePolicies = (): Promise<Table> =>
  measureCounts('policies', 'again', 'Authenticate and decide by number of policies, one path')

const measurePoliciesInTurn = (): Promise<Table> =>
  measureCounts('policies', 'in turn', 'The same for each ALLOW policy in turn')

const lines = {
  rules: 'decision at 10,000 rules against 10',
  policies: 'decision at 10,000 policies against 10',
} as const

async function measureCounts(what: 'rules' | 'policies', kind: 'again' | 'in turn', title: string): Promise<Table> {
  const times = await run([{ kind, what, rounds: 20, counts }])
  const one = what === 'rules' ? 'rule' : 'policy'
  return {
    title,
    against: `10 ${what}`,
    ...(kind === 'in turn' && {
      note: `Every ${one} is used once before any is used again, so what grows is the time to load a large table from memory.`,
    }),
    rows: counts.map((count): Row => {
      const own = times(String(count))
      const row: Row = { what: `${count.toLocaleString('en')} ${what}`, unit: 'ns', spread: spreadOf(own) }
      if (count === 10) return row
      const compared = { ...row, ratio: ratioOf(own, times('10')) }
      if (count !== 10_000) return compared
      const line = lines[what]
      const budgeted = kind === 'again' ? 'one path, with authentication' : `each ${one} in turn, with authentication`
      return { ...compared, budget: { line, what: budgeted, most: kind === 'again' ? 1.5 : 3, of: 'ratio' } }
    }),
  }
}

const all = ['Countersign', ...engines] as const

async function measureEngines(): Promise<readonly Table[]> {
  const tables: Table[] = []
  for (const count of [10, 100, 1000, 10_000]) {
    const times = await run(
      all.map((engine) => ({ kind: 'engine', rounds: 7, count, engine })),
      { generations: 2 },
    )
    tables.push({
      title: `Other engines at ${count.toLocaleString('en')} rules`,
      against: 'Countersign',
      ...(count === 10 && {
        note: 'The same paths; the requested one is decided by the rule in the middle. Countersign also authenticates. Casbin (`enforceSync`, `keyMatch2`), Cedar (with a policy set parsed in advance) and OPA (with a policy compiled in advance, and rules as data) answer more general questions: compare how the times grow, not the times themselves.',
      }),
      rows: all.map((name): Row => {
        const row: Row = { what: name, unit: 'ns', spread: spreadOf(times(name)) }
        return name === 'Countersign' ? row : { ...row, ratio: ratioOf(times(name), times('Countersign')) }
      }),
    })
  }
  return tables
}

/** Runs each task in a separate process, and repeats all of them for each generation. */
async function run(
  tasks: readonly FunctionTask[],
  { execArgv = [], generations = 4 }: { readonly execArgv?: readonly string[]; readonly generations?: number } = {},
): Promise<(name: string) => Generations> {
  const found: Map<string, (readonly number[])[]> = new Map()
  for (let generation = 0; generation < generations; generation += 1) {
    for (const task of tasks) {
      const file = new URL('./function-process.js', import.meta.url)
      const { process, answer } = await MeasuredProcess.start(file, task, { execArgv })
      await process.stop()
      if (!isRounds(answer)) throw new Error('found an unexpected answer, expected rounds by subject')
      for (const [name, rounds] of Object.entries(answer)) found.set(name, [...(found.get(name) ?? []), rounds])
    }
  }
  return (name) => found.get(name) ?? []
}
