import type { TestContext } from 'node:test'
import type { NoticingSource } from '@countersign/spiffe'
import { type Agent, type AgentOptions, startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource, type WorkloadApiSourceOptions } from '@countersign/workload-api'

export const billing = 'spiffe://saas.example/ns/production/sa/billing'
export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

/** An agent that issues the SVID of `billing` unless the options say otherwise; it closes with the test. */
export async function startBillingAgent(context: TestContext, options: AgentOptions = {}): Promise<Agent> {
  const isFounded = options.authority !== undefined || options.authorities !== undefined
  const agent = await startAgent({
    ...(isFounded ? {} : { trustDomain: 'saas.example' }),
    entries: [{ spiffeId: billing }],
    ...options,
  })
  context.after(() => agent.close())
  return agent
}

/** A source of this agent that retries quickly; it closes with the test. */
export async function openSource(
  context: TestContext,
  { endpoint }: Pick<Agent, 'endpoint'>,
  options: WorkloadApiSourceOptions = {},
): Promise<NoticingSource> {
  const source = await workloadApiSource({ endpoint, maxRetryMs: 20, ...options })
  context.after(() => source.close())
  return source
}

/** Both. */
export async function startService(
  context: TestContext,
  options: AgentOptions = {},
): Promise<{ readonly agent: Agent; readonly source: NoticingSource }> {
  const agent = await startBillingAgent(context, options)
  return { agent, source: await openSource(context, agent) }
}
