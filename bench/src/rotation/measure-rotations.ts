import { X509Certificate } from 'node:crypto'
import { connect, createSecureContext } from 'node:tls'
import type { MaterialInput } from '@countersign/core'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'
import type { ConnectionServerTask } from '../connections/connection-task.ts'
import { holdConnections, limitConnections } from '../connections/held-connections.ts'
import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import type { Progress } from '../measure/progress.ts'
import { sharedNow } from '../measure/shared-now.ts'
import { type Generations, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { callerId } from '../workload.ts'

/** The time from an update of the source to the first completed handshake with the new SVID. */
export async function* measureRotations(progress: Progress): AsyncGenerator<Table> {
  const most = limitConnections(10_000)
  const rows: Row[] = []
  for (const { connections, isNewBundle, generations, rounds } of [
    { connections: 0, isNewBundle: false, generations: 3, rounds: 15 },
    { connections: most, isNewBundle: false, generations: 2, rounds: 15 },
    { connections: most, isNewBundle: true, generations: 2, rounds: 15 },
  ]) {
    const times: (readonly number[])[] = []
    for (let generation = 0; generation < generations; generation += 1) {
      progress.note(
        `${connections.toLocaleString('en')} open connections: generation ${generation + 1} of ${generations}`,
      )
      times.push(await measureGeneration(connections, isNewBundle, rounds))
    }
    rows.push(describe(times, connections, isNewBundle))
  }
  yield {
    title: 'From `source.replace()` to the first handshake with the new SVID',
    note: 'A client connects repeatedly, so that the time of one or two handshakes is included. With a new bundle every open connection is verified again.',
    rows,
  }
}

function describe(times: Generations, connections: number, isNewBundle: boolean): Row {
  const load = connections === 0 ? 'no open connections' : `${connections.toLocaleString('en')} open connections`
  const what = `${isNewBundle ? 'new SVID and bundle' : 'new SVID'}, ${load}`
  return {
    what,
    unit: 'ms',
    spread: spreadOf(times),
    budget: {
      line: 'from an update of the source to the first handshake with the new SVID',
      what,
      most: 50,
      of: 'figure',
    },
  }
}

async function measureGeneration(
  connections: number,
  isNewBundle: boolean,
  rounds: number,
): Promise<readonly number[]> {
  const authority = await createAuthority('saas.example')
  const caller = await authority.issue(callerId)
  const svids = await Promise.all(Array.from({ length: warmUp + rounds + 1 }, () => authority.issue(ownId)))
  const [first, ...later] = await Promise.all(svids.map((svid) => describeMaterial(authority, svid, isNewBundle)))
  if (first === undefined) throw new Error('expected at least one SVID')
  const task: ConnectionServerTask = { isGuarded: true, material: first, updates: later }
  const file = new URL('../connections/connection-server.js', import.meta.url)
  const { process: server, answer } = await MeasuredProcess.start(file, task)
  const port = expectNumber(answer)
  const identity = { key: caller.keyPem, cert: caller.certificatePem }
  const held = await holdConnections({ port, count: connections, ...identity })
  const times: number[] = []
  for (const { cert } of later) {
    const watching = watch(port, identity, new X509Certificate(String(cert)).serialNumber)
    const start = await server.askNumber('replace')
    times.push((await watching) - start)
  }
  await held.close()
  await server.stop()
  return times.slice(warmUp)
}

const ownId = 'spiffe://saas.example/ns/production/sa/billing'
const warmUp = 3

async function describeMaterial(authority: Authority, svid: TestSvid, isNewBundle: boolean): Promise<MaterialInput> {
  const further = isNewBundle ? (await createAuthority('saas.example', { name: 'next' })).bundlePem : ''
  const bundles = { 'saas.example': authority.bundlePem + further }
  return { key: svid.keyPem, cert: svid.certificatePem, bundles }
}

/** The time at which a handshake first presented this serial number, on the clock that all processes share. */
async function watch(port: number, identity: { key: string; cert: string }, serialNumber: string): Promise<number> {
  const secureContext = createSecureContext(identity)
  for (;;) {
    const found = await new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.end()
      })
      socket.once('error', reject)
    })
    if (found === serialNumber) return sharedNow()
  }
}
