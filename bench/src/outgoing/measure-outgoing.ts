import { createAuthority } from '@countersign/testkit'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { callerId } from '../workload.ts'
import { type OutgoingBatch, type OutgoingTask, type Way, ways } from './outgoing-task.ts'

/** The client's processor time per request that it sends. */
export async function* measureOutgoing(progress: Progress): AsyncGenerator<Table> {
  const authority = await createAuthority('saas.example')
  const serverId = 'spiffe://saas.example/ns/production/sa/billing'
  // With an address, by which plain clients identify the server.
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
  const measure = (title: string, batch: OutgoingBatch, plan: Plan): Promise<Readonly<Record<Way, Generations>>> =>
    interleave(ways, (routing) => startClient({ ...task, routing }, batch), plan, progress.count(title))
  const kept = 'Requests on 16 kept connections'
  const keptPlan = { generations: 3, warmUp: 6, rounds: 8, turns: 5 }
  yield* describe(kept, await measure(kept, { requests: 200, isNew: false }, keptPlan))
  const fresh = 'Requests each on a new connection'
  const freshPlan = { generations: 3, warmUp: 2, rounds: 8, turns: 2 }
  yield* describe(
    fresh,
    await measure(fresh, { requests: 20, isNew: true }, freshPlan),
    "Like Countersign's servers, this server issues no session tickets, so that every handshake is a full one.",
  )
  await called.process.stop()
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
