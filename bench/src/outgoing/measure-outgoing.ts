import { createAuthority } from '@countersign/testkit'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { callerId } from '../workload.ts'
import { type OutgoingBatch, type OutgoingTask, type Way, ways } from './outgoing-task.ts'

/** The client's processor time for each request that it sends. */
export async function measureOutgoing(): Promise<readonly Table[]> {
  const authority = await createAuthority('saas.example')
  const serverId = 'spiffe://saas.example/ns/production/sa/billing'
  // With an address, by which plain clients know the server.
  const own = await authority.issue(serverId, { ipAddresses: ['127.0.0.1'] })
  const caller = await authority.issue(callerId)
  const bundles = { 'saas.example': authority.bundlePem }
  const called = await MeasuredProcess.start(new URL('./called-process.js', import.meta.url), {
    material: { key: own.keyPem, cert: own.certificatePem, bundles },
  })
  const task = {
    port: expectNumber(called.answer),
    material: { key: caller.keyPem, cert: caller.certificatePem, bundles },
    serverId,
    ca: authority.bundlePem,
  }
  const measure = (batch: OutgoingBatch, plan: Plan): Promise<Readonly<Record<Way, Generations>>> =>
    interleave(ways, (way) => startClient({ ...task, way }, batch), plan)
  const kept = await measure({ requests: 200, isNew: false }, { generations: 3, warmUp: 6, rounds: 8, turns: 5 })
  const fresh = await measure({ requests: 20, isNew: true }, { generations: 3, warmUp: 2, rounds: 8, turns: 2 })
  await called.process.stop()
  return [
    ...describe('Requests on 16 kept connections', kept),
    ...describe(
      'Requests each on a new connection',
      fresh,
      'The server issues no session tickets, as servers of Countersign do, so that every handshake is a full one.',
    ),
  ]
}

async function startClient(task: OutgoingTask, batch: OutgoingBatch): Promise<Subject> {
  const { process } = await MeasuredProcess.start(new URL('./calling-process.js', import.meta.url), task)
  return { measure: () => process.askNumber(batch), stop: () => process.stop() }
}

function describe(title: string, times: Readonly<Record<Way, Generations>>, note?: string): readonly Table[] {
  const compare = (plain: Way, own: Way): Table => ({
    title: `${title}: ${own}`,
    against: plain,
    ...(note !== undefined && { note }),
    rows: [
      { what: plain, unit: 'µs', spread: spreadOf(times[plain]) },
      { what: own, unit: 'µs', spread: spreadOf(times[own]), ratio: ratioOf(times[own], times[plain]) },
    ] satisfies readonly Row[],
  })
  return [compare('https.Agent', 'createAgent'), compare('fetch of undici', 'createFetch')]
}
