import { MeasuredProcess } from '../measure/child-process.ts'
import type { Progress } from '../measure/progress.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { isRounds } from '../function/function-task.ts'
import type { CredentialTask } from './credential-task.ts'

/** The time of one decision by the credential that proves its caller. */
export async function* measureCredentials(progress: Progress): AsyncGenerator<Table> {
  progress.note('credentials that were seen before')
  yield await measureSeen()
  progress.note('credentials that were never seen')
  yield await measureUnseen()
}

async function measureSeen(): Promise<Table> {
  const times = await run({ kind: 'seen', rounds: 20 })
  const compare = (what: string, name: string): Row => ({
    what,
    unit: 'ns',
    spread: spreadOf(times(name)),
    ratio: ratioOf(times(name), times('peer')),
    isChecked: true,
  })
  return {
    title: 'One decision by credential, seen before',
    against: 'certificate of the peer',
    note: 'Each call gets a new list of headers, as each request has. Except for the first row, the guard accepts forwarded certificates, tokens and anonymous callers, and counts each caller for the report on readiness.',
    rows: [
      { what: 'certificate of the peer', unit: 'ns', spread: spreadOf(times('peer')) },
      compare('certificate of the peer, other credentials accepted', 'peer, extended'),
      compare('anonymous', 'anonymous'),
      {
        ...compare('forwarded certificate, seen before', 'forwarded'),
        budget: { line: 'a forwarded certificate, seen before', what: 'Client-Cert, P-256', most: 1500, of: 'figure' },
      },
      compare('JWT-SVID, seen before', 'token'),
    ],
  }
}

async function measureUnseen(): Promise<Table> {
  const times = await run({ kind: 'unseen', rounds: 12 })
  const row = (what: string, name: string): Row => ({
    what,
    unit: 'ns',
    spread: spreadOf(times(name)),
    ratio: ratioOf(times(name), times('peer')),
    isChecked: true,
  })
  return {
    title: 'One decision by credential, never seen',
    against: 'verifySvid',
    rows: [
      { what: 'verifySvid', unit: 'ns', spread: spreadOf(times('peer')) },
      row('forwarded certificate, never seen', 'forwarded'),
      row('JWT-SVID, never seen', 'token'),
    ],
  }
}

async function run(task: CredentialTask): Promise<(name: string) => Generations> {
  const found: Map<string, (readonly number[])[]> = new Map()
  for (let generation = 0; generation < 4; generation += 1) {
    const file = new URL('./credential-process.js', import.meta.url)
    const { process, answer } = await MeasuredProcess.start(file, { ...task })
    await process.stop()
    if (!isRounds(answer)) throw new Error('found an unexpected answer, expected rounds by subject')
    for (const [name, rounds] of Object.entries(answer)) found.set(name, [...(found.get(name) ?? []), rounds])
  }
  return (name) => found.get(name) ?? []
}
