import { createAuthority } from '@countersign/testkit'
import type { ConnectionServerTask, Memory } from '../connections/connection-task.ts'
import { holdConnections, limitConnections } from '../connections/held-connections.ts'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import { isObject } from '../measure/is-object.ts'
import type { Progress } from '../measure/progress.ts'
import { differenceOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { callerId } from '../workload.ts'
import { measureCache } from './measure-cache.ts'

/** The memory of an open connection and of a verified certificate. */
export async function* measureMemory(progress: Progress): AsyncGenerator<Table> {
  progress.note('open connections')
  yield await measureConnections()
  progress.note('verified certificates')
  yield await measureCache()
}

async function measureConnections(): Promise<Table> {
  const count = limitConnections(10_000)
  const found: Readonly<Record<'bare' | 'guarded', Memory[][]>> = { bare: [], guarded: [] }
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['bare', 'guarded'] as const) : (['guarded', 'bare'] as const)
    for (const name of order) found[name].push([await measureServer(name === 'guarded', count)])
  }
  const pick = (name: 'bare' | 'guarded', of: keyof Memory): readonly (readonly number[])[] =>
    found[name].map((generation) => generation.map((memory) => memory[of]))
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
            most: 2,
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

const rounds = 2

/** KiB per connection. */
async function measureServer(isGuarded: boolean, count: number): Promise<Memory> {
  const authority = await createAuthority('saas.example')
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const caller = await authority.issue(callerId)
  const material = { key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': authority.bundlePem } }
  const task: ConnectionServerTask = { isGuarded, material, updates: [] }
  const file = new URL('../connections/connection-server.js', import.meta.url)
  const { process: server, answer } = await MeasuredProcess.start(file, task, { execArgv: ['--expose-gc'] })
  const hold = { port: expectNumber(answer), key: caller.keyPem, cert: caller.certificatePem }
  // A few connections first, so that one-time loading and compilation are not part of the difference.
  const first = await holdConnections({ ...hold, count: 200 })
  const before = expectMemory(await server.ask('memory'))
  const held = await holdConnections({ ...hold, count: count - 200 })
  const after = expectMemory(await server.ask('memory'))
  await Promise.all([first.close(), held.close()])
  await server.stop()
  const each = (of: keyof Memory): number => (after[of] - before[of]) / (count - 200) / 1024
  return { heap: each('heap'), resident: each('resident') }
}

function expectMemory(answer: unknown): Memory {
  const heap: unknown = isObject(answer) ? Reflect.get(answer, 'heap') : undefined
  const resident: unknown = isObject(answer) ? Reflect.get(answer, 'resident') : undefined
  if (typeof heap === 'number' && typeof resident === 'number') return { heap, resident }
  throw new Error('found an unexpected answer, expected the memory of the server')
}
