import type { X509Source } from '@countersign/core'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'

/** The workloads of the chain, in the order in which they call each other. */
export const names = ['storefront', 'core-api', 'billing', 'ledger'] as const

/** The last segment of a workload's SPIFFE ID. */
export type WorkloadName = (typeof names)[number]

/** A source for each workload, and the agent that updates them. */
export interface Workloads extends AsyncDisposable {
  readonly agent: string
  readonly sources: Readonly<Record<WorkloadName, X509Source>>
}

/**
 * Opens a source for each workload. All are in this process, so the agent cannot distinguish them, and each source
 * selects its SVID by a hint such as `production/billing`. Uses the agent of `SPIFFE_ENDPOINT_SOCKET`, or an embedded
 * one whose SVIDs are valid for ten seconds.
 */
export async function openWorkloads(): Promise<Workloads> {
  const endpoint = process.env['SPIFFE_ENDPOINT_SOCKET'] ?? ''
  if (endpoint !== '') {
    const sources = await openSources(endpoint)
    return { agent: `the agent at ${endpoint}`, sources, [Symbol.asyncDispose]: () => closeAll(sources) }
  }
  const entries = names.map((name) => ({ spiffeId: idOf(name), hint: `production/${name}`, ttlSeconds: 10 }))
  const agent = await startAgent({ trustDomain, entries })
  const sources = await openSources(agent.endpoint)
  return {
    agent: 'an embedded agent with SVIDs of 10 seconds',
    sources,
    [Symbol.asyncDispose]: async () => {
      await closeAll(sources)
      await agent.close()
    },
  }
}

/** Returns the SPIFFE ID of a workload. */
export function idOf(name: WorkloadName | 'month-end'): string {
  return `spiffe://${trustDomain}/ns/production/sa/${name}`
}

const trustDomain = 'saas.example'

async function openSources(endpoint: string): Promise<Workloads['sources']> {
  const open = (name: WorkloadName): Promise<X509Source> => workloadApiSource({ endpoint, hint: `production/${name}` })
  const [storefront, coreApi, billing, ledger] = await Promise.all([
    open('storefront'),
    open('core-api'),
    open('billing'),
    open('ledger'),
  ])
  return { storefront, 'core-api': coreApi, billing, ledger }
}

async function closeAll(sources: Workloads['sources']): Promise<void> {
  await Promise.all(Object.values(sources).map((source) => source.close()))
}
