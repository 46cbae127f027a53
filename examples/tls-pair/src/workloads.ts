import type { X509Source } from '@countersign/core'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'

/** The workloads of this example, by the last segment of their SPIFFE IDs. */
export type WorkloadName = 'service-a' | 'service-b' | 'service-c'

/** A source for each workload, and the agent that updates them. */
export interface Workloads extends AsyncDisposable {
  readonly agent: string
  readonly sources: Readonly<Record<WorkloadName, X509Source>>
}

/**
 * Opens all three sources in this process, from the agent of `SPIFFE_ENDPOINT_SOCKET`, which must provide SVIDs with
 * the hints `demo/service-a` and so on, or from an embedded one whose SVIDs are valid for `ttlSeconds`.
 */
export async function openWorkloads(ttlSeconds: number): Promise<Workloads> {
  const endpoint = process.env['SPIFFE_ENDPOINT_SOCKET'] ?? ''
  if (endpoint !== '') {
    const sources = await openSources(endpoint)
    return { agent: `the agent at ${endpoint}`, sources, [Symbol.asyncDispose]: () => closeAll(sources) }
  }
  const names = ['service-a', 'service-b', 'service-c'] as const
  const entries = names.map((name) => ({ spiffeId: idOf(name, 'saas.example'), hint: hintOf(name), ttlSeconds }))
  const agent = await startAgent({ trustDomain: 'saas.example', entries })
  const sources = await openSources(agent.endpoint)
  return {
    agent: `an embedded agent with SVIDs of ${ttlSeconds} seconds`,
    sources,
    [Symbol.asyncDispose]: async () => {
      await closeAll(sources)
      await agent.close()
    },
  }
}

/** The SPIFFE ID of a workload in the same trust domain. */
export function neighbourOf({ current }: X509Source, name: WorkloadName): string {
  return idOf(name, current.svid.spiffeId.trustDomain)
}

function idOf(name: WorkloadName, trustDomain: string): string {
  return `spiffe://${trustDomain}/ns/demo/sa/${name}`
}

function hintOf(name: WorkloadName): string {
  return `demo/${name}`
}

async function openSources(endpoint: string): Promise<Workloads['sources']> {
  const open = (name: WorkloadName): Promise<X509Source> => workloadApiSource({ endpoint, hint: hintOf(name) })
  const [a, b, c] = await Promise.all([open('service-a'), open('service-b'), open('service-c')])
  return { 'service-a': a, 'service-b': b, 'service-c': c }
}

async function closeAll(sources: Workloads['sources']): Promise<void> {
  await Promise.all(Object.values(sources).map((source) => source.close()))
}
