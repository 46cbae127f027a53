import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createAuthority } from '@countersign/testkit'
import { expectNumber } from '../measure/child-process.ts'
import { isObject } from '../measure/is-object.ts'
import type { Progress } from '../measure/progress.ts'
import { differenceOf, type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { type StartSubject, startSubjects } from './start-subject.ts'

/** From the start of a process until it listens. */
export async function* measureStarts(progress: Progress): AsyncGenerator<Table> {
  const authority = await createAuthority('saas.example')
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const environment = { BENCH_KEY: own.keyPem, BENCH_CERT: own.certificatePem, BENCH_CA: authority.bundlePem }
  const times = new Map<StartSubject, number[][]>(startSubjects.map((subject) => [subject, []]))
  const steps = new Map<string, number[][]>()
  for (let round = -1; round < rounds; round += 1) {
    progress.note(`round ${round + 2} of ${rounds + 1}`)
    const first = (round + 1) % startSubjects.length
    for (const subject of [...startSubjects.slice(first), ...startSubjects.slice(0, first)]) {
      const milliseconds = expectNumber(
        await run(new URL('./start-process.js', import.meta.url), { ...environment, BENCH_SUBJECT: subject }),
      )
      // The first round runs with cold system caches.
      if (round >= 0) times.get(subject)?.push([milliseconds])
    }
    const found = await run(new URL('./import-process.js', import.meta.url), environment)
    if (!isObject(found)) throw new Error('found an unexpected answer, expected milliseconds by step')
    if (round < 0) continue
    for (const [step, value] of Object.entries(found)) steps.set(step, [...(steps.get(step) ?? []), [Number(value)]])
  }
  const of = (subject: StartSubject): Generations => times.get(subject) ?? []
  yield {
    title: 'From the start of the process to listening',
    against: 'bare',
    rows: [
      ...compare('Fastify', of('Fastify, bare'), of('Fastify, Countersign')),
      ...compare('Express', of('Express, bare'), of('Express, Countersign')),
    ],
  }
  yield {
    title: 'Where the time goes',
    note: 'Loaded in this order in a separate process.',
    rows: [...steps].map(([what, values]): Row => ({ what, unit: 'ms', spread: spreadOf(values) })),
  }
}

const rounds = 12

function compare(framework: string, bare: Generations, guarded: Generations): readonly Row[] {
  return [
    { what: `${framework}, bare`, unit: 'ms', spread: spreadOf(bare) },
    { what: `${framework}, Countersign`, unit: 'ms', spread: spreadOf(guarded), ratio: ratioOf(guarded, bare) },
    { what: `${framework}, difference from bare`, unit: 'ms', spread: differenceOf(guarded, bare) },
  ]
}

async function run(file: URL, environment: Readonly<Record<string, string>>): Promise<unknown> {
  const child = fork(fileURLToPath(file), { env: { ...process.env, ...environment } })
  const ended = once(child, 'exit')
  let answer: unknown
  child.once('message', (message: unknown) => {
    answer = message
  })
  await ended
  return answer
}
