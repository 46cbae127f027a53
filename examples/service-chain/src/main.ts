import { subscribe } from 'node:diagnostics_channel'
import { type AuthenticationEvent, channels, type CountersignEvent } from '@countersign/core'
import { type Attempt, attempt } from './attempts.ts'
import { startBilling } from './billing.ts'
import { callThroughRotations } from './calls.ts'
import { startCoreApi } from './core-api.ts'
import { startLedger } from './ledger.ts'
import { idOf, names, openWorkloads } from './workloads.ts'

process.exitCode = await run()

async function run(): Promise<number> {
  const shown = watchSerialNumbers()
  await using workloads = await openWorkloads()
  const { agent, sources } = workloads
  await using ledger = await startLedger(sources.ledger, tell('ledger'))
  await using billing = await startBilling(sources.billing, ledger.port, tell('billing'))
  await using coreApi = await startCoreApi(sources['core-api'], billing.port, tell('core-api'))
  console.log(`storefront → core-api (Express) → billing (Fastify) → ledger (TLS); SVIDs come from ${agent}`)

  console.log('\ncalls that the chain forbids')
  const attempts: Attempt[] = []
  for await (const made of attempt(workloads, { billing: billing.port, ledger: ledger.port })) {
    const { what, expected, found } = made
    console.log(`${what}: ${found}${found === expected ? '' : `, BUT EXPECTED ${expected}`}`)
    attempts.push(made)
  }

  // The SVIDs of the machine's agent may be valid for an hour.
  const isShort = Object.values(sources).every(({ current: { svid } }) => svid.expiresAt - Date.now() < 90_000)
  const wanted = isShort ? 2 : 0
  console.log('\ncontinuous calls')
  const { calls, failures, rotations } = await callThroughRotations(workloads, coreApi.port, wanted)
  const seen = names.map((name) => [...(shown.get(idOf(name)) ?? [])])
  for (const [index, name] of names.entries()) {
    const serialNumbers = (seen[index] ?? []).map((serialNumber) => `…${serialNumber.slice(-6)}`).join(' ')
    console.log(`${name}: rotated ${rotations[name]} times, its peers saw the serial numbers ${serialNumbers}`)
  }
  for (const failure of failures) console.log(`FAILED: ${failure}`)

  const inVain = attempts.filter(({ expected, found }) => expected === found).length
  // A certificate that is replaced without new connections only becomes visible after the next rotation.
  const isSeen = seen.every(({ length }) => length >= Math.max(wanted, 1))
  const isGood = failures.size === 0 && inVain === attempts.length && isSeen
  console.log()
  console.log(
    `${isGood ? 'as expected' : 'NOT AS EXPECTED'}: ${calls} calls through the chain, ${failures.size} failed; ` +
      `${attempts.length} attempts to bypass it, ${inVain} refused`,
  )
  return isGood ? 0 : 1
}

/** Prints why a service denied a request; its caller does not receive the reason. */
function tell(name: string): (event: CountersignEvent) => void {
  return (event) => {
    if (event.type === 'denial') console.log(`  ${name} denied ${event.principal}: ${event.reason}`)
  }
}

/** The serial numbers of each workload, as its peers verified them. */
function watchSerialNumbers(): ReadonlyMap<string, ReadonlySet<string>> {
  const shown = new Map<string, Set<string>>()
  subscribe(channels.authentication, (event) => {
    if (!isAuthentication(event) || event.spiffeId === undefined || event.serialNumber === undefined) return
    shown.set(event.spiffeId, (shown.get(event.spiffeId) ?? new Set()).add(event.serialNumber))
  })
  return shown
}

function isAuthentication(event: unknown): event is AuthenticationEvent {
  return typeof event === 'object' && event !== null && 'type' in event && event.type === 'authentication'
}
