import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { type Authority, createAuthority } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import type { Framework } from '../../subject.ts'
import { callerId } from '../../workload.ts'
import type { BothReport, CallerFindings, ServiceFindings } from './report.ts'

/** Runs a service and its caller, each with its own agent, and replaces the certificates of both every second. */
export async function soakBoth(framework: Framework, seconds: number, rate: number): Promise<BothReport> {
  const authority = await createAuthority('saas.example', { ttlSeconds: 86_400 })
  await using serving = await startAgent({ authority, entries: [entry(servedId)] })
  await using calling = await startAgent({ authority, entries: [entry(callerId)] })
  const server = start(new URL('./server.ts', import.meta.url), [framework, serving.endpoint])
  const port = await receive(server, (found) => typeof found === 'number')
  const client = start(new URL('./client.ts', import.meta.url), [
    calling.endpoint,
    String(port),
    String(seconds),
    String(rate),
  ])
  await receive(client, (found) => found === 'ready')
  const finished = receive(client, isCallerFindings)
  await rotate([serving, calling], authority, seconds)
  const called = await finished
  server.send('report')
  const served = await receive(server, isServiceFindings)
  server.disconnect()
  return { ...called, ...served, framework, seconds, rotations: seconds }
}

const servedId = 'spiffe://saas.example/ns/production/sa/billing'

// So short that a certificate that stays in use after its rotation soon expires.
function entry(spiffeId: string): { readonly spiffeId: string; readonly ttlSeconds: number } {
  return { spiffeId, ttlSeconds: 4 }
}

// Every second one from a new intermediate authority.
async function rotate(agents: readonly Agent[], authority: Authority, seconds: number): Promise<void> {
  const start = performance.now()
  for (let second = 1; second <= seconds; second += 1) {
    await setTimeout(Math.max(0, start + second * 1000 - 500 - performance.now()))
    const name = `intermediate ${second}`
    const signer = second % 2 === 0 ? undefined : await authority.intermediate({ name })
    for (const agent of agents) {
      if (signer === undefined) await agent.rotate()
      else await agent.setAuthority(signer, { overlapSeconds: 0 })
    }
  }
}

function start(file: URL, args: readonly string[]): ChildProcess {
  const child = fork(fileURLToPath(file), [...args], { execArgv: [...process.execArgv, '--expose-gc'] })
  child.once('exit', (code) => {
    // Thrown, because waiting for its message would never end.
    if (code !== 0) throw new Error(`${file.pathname.split('/').at(-1)} exited with ${code}`)
  })
  return child
}

async function receive<Message>(
  child: ChildProcess,
  isExpected: (found: unknown) => found is Message,
): Promise<Message> {
  const messages: readonly unknown[] = await once(child, 'message')
  const [found] = messages
  if (isExpected(found)) return found
  throw new Error(`found ${inspect(found)}, expected another message from the other process`)
}

function isCallerFindings(found: unknown): found is CallerFindings {
  return typeof found === 'object' && found !== null && 'serviceCertificates' in found
}

function isServiceFindings(found: unknown): found is ServiceFindings {
  return typeof found === 'object' && found !== null && 'callerCertificates' in found
}
