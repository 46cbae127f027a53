import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createAuthority } from '@countersign/testkit'
import { isObject } from '../measure/is-object.ts'
import type { Progress } from '../measure/progress.ts'
import { differenceOf, type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Budget, Row, Table } from '../report/result.ts'
import { createPackedProject, type PackedProject } from './packed-project.ts'
import { frameworks, type StartSubject, startSubjects } from './start-subject.ts'

/** From the start of a process until it listens, and what of it is the import. Measures the published packages. */
export async function* measureStarts(progress: Progress): AsyncGenerator<Table> {
  progress.note('packing and installing the packages')
  const project = await createPackedProject([startFile, importFile])
  try {
    yield* measureProject(project, progress)
  } finally {
    await project.remove()
  }
}

async function* measureProject(project: PackedProject, progress: Progress): AsyncGenerator<Table> {
  const authority = await createAuthority('saas.example')
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const environment = { BENCH_KEY: own.keyPem, BENCH_CERT: own.certificatePem, BENCH_CA: authority.bundlePem }
  const starts = new Map<StartSubject, Answer[]>(startSubjects.map((subject) => [subject, []]))
  const imports = new Map<string, Answer[]>(frameworks.map((framework) => [framework, []]))
  for (let round = -1; round < rounds; round += 1) {
    progress.note(`round ${round + 2} of ${rounds + 1}`)
    const first = (round + 1) % startSubjects.length
    for (const subject of [...startSubjects.slice(first), ...startSubjects.slice(0, first)]) {
      const answer = await run(project.program(startFile), { ...environment, BENCH_SUBJECT: subject })
      // The first round runs with cold system caches.
      if (round >= 0) starts.get(subject)?.push(answer)
    }
    for (const framework of frameworks) {
      const answer = await run(project.program(importFile), {
        ...environment,
        BENCH_FRAMEWORK: framework.toLowerCase(),
      })
      if (round >= 0) imports.get(framework)?.push(answer)
    }
  }

  const startsOf = (subject: StartSubject, what: string): Generations => series(starts.get(subject), what)
  yield {
    title: 'From the start of the process to listening',
    against: 'bare',
    rows: frameworks.flatMap((framework) =>
      compare(framework, startsOf(`${framework}, bare`, 'elapsed'), startsOf(`${framework}, Countersign`, 'elapsed')),
    ),
  }
  yield {
    title: 'From the start of the process to listening, processor time',
    against: 'bare',
    rows: frameworks.flatMap((framework) =>
      compare(
        framework,
        startsOf(`${framework}, bare`, 'processor'),
        startsOf(`${framework}, Countersign`, 'processor'),
        {
          line: 'from the start of the process to listening, CPU beyond the bare service',
          what: framework,
          most: 150,
          of: 'figure',
        },
      ),
    ),
  }
  yield {
    title: 'Import of core and an adapter, processor time',
    note: 'After the framework itself was imported.',
    rows: frameworks.map((framework) => ({
      what: framework,
      unit: 'ms',
      spread: spreadOf(series(imports.get(framework), '@countersign/core', 'the adapter')),
      budget: { line: 'import of core and an adapter, CPU', what: framework, most: 60, of: 'figure' },
    })),
  }
  const ofFastify = imports.get('Fastify') ?? []
  yield {
    title: 'Where the time goes, processor time',
    note: 'Loaded in this order in a separate process, after Fastify.',
    rows: Object.keys(ofFastify[0] ?? {}).map((what): Row => ({
      what,
      unit: 'ms',
      spread: spreadOf(series(ofFastify, what)),
    })),
  }
}

const startFile = new URL('./start-process.js', import.meta.url)
const importFile = new URL('./import-process.js', import.meta.url)
const rounds = 12

/** Milliseconds by what was measured. */
type Answer = Readonly<Record<string, number>>

/** One series of the answers: the sum of these members of each. */
function series(answers: readonly Answer[] = [], ...names: readonly string[]): Generations {
  return answers.map((answer) => [names.reduce((sum, name) => sum + (answer[name] ?? Number.NaN), 0)])
}

function compare(framework: string, bare: Generations, guarded: Generations, budget?: Budget): readonly Row[] {
  return [
    { what: `${framework}, bare`, unit: 'ms', spread: spreadOf(bare) },
    { what: `${framework}, Countersign`, unit: 'ms', spread: spreadOf(guarded), ratio: ratioOf(guarded, bare) },
    {
      what: `${framework}, difference from bare`,
      unit: 'ms',
      spread: differenceOf(guarded, bare),
      ...(budget !== undefined && { budget }),
    },
  ]
}

async function run(file: string, environment: Readonly<Record<string, string>>): Promise<Answer> {
  const child = fork(file, { env: { ...process.env, ...environment } })
  const ended = once(child, 'exit')
  let answer: unknown
  child.once('message', (message: unknown) => {
    answer = message
  })
  await ended
  if (!isObject(answer)) throw new Error(`${file}: found an unexpected answer, expected milliseconds`)
  return Object.fromEntries(Object.entries(answer).map(([what, value]) => [what, Number(value)]))
}
