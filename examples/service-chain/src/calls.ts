import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { createFetch } from '@countersign/client'
import { idOf, names, type WorkloadName, type Workloads } from './workloads.ts'

/** The results of repeated calls. */
export interface CallResult {
  readonly calls: number
  /** The distinct failures. */
  readonly failures: ReadonlySet<string>
  readonly rotations: Readonly<Record<WorkloadName, number>>
}

/** Calls core-api as the storefront, four calls at a time, until each workload has rotated this many times. */
export async function callThroughRotations(
  { sources }: Workloads,
  coreApiPort: number,
  wanted: number,
): Promise<CallResult> {
  await using fetch = createFetch(sources.storefront, { servers: [idOf('core-api')] })
  const rotations: Record<WorkloadName, number> = { storefront: 0, 'core-api': 0, billing: 0, ledger: 0 }
  const stops = names.map((name) => {
    let { svid } = sources[name].current
    return sources[name].onUpdate((material) => {
      if (material.svid.sha256 !== svid.sha256) rotations[name] += 1
      svid = material.svid
    })
  })
  const failures = new Set<string>()
  let calls = 0
  const call = async (): Promise<void> => {
    calls += 1
    const customer = `customer-${calls}`
    const expected = {
      balance: customer.length * 100,
      seenByLedger: idOf('billing'),
      seenByBilling: idOf('core-api'),
      seenByCoreApi: idOf('storefront'),
    }
    const response = await fetch(`https://127.0.0.1:${coreApiPort}/customers/${customer}`)
    const answer: unknown = await response.json()
    if (!isDeepStrictEqual(answer, expected)) failures.add(`${response.status}: ${JSON.stringify(answer)}`)
  }
  let until = Date.now() + settling
  const callOn = async (): Promise<void> => {
    while (Date.now() < until) {
      await call().catch((error: unknown) => failures.add(String(error)))
      await setTimeout(20)
      if (names.some((name) => rotations[name] < wanted)) until = Date.now() + settling
    }
  }
  await Promise.all([callOn(), callOn(), callOn(), callOn()])
  for (const stop of stops) stop()
  return { calls, failures, rotations }
}

// Milliseconds for which calls continue after the last rotation.
const settling = 1000
