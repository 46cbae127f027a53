import type { TestContext } from 'node:test'
import { type Agent, type AgentOptions, startAgent } from '@countersign/testkit/workload-api'

export const billing = 'spiffe://saas.example/ns/production/sa/billing'
export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

/** An agent with an entry for `billing` unless the options say otherwise; it closes with the test. */
export async function openAgent(context: TestContext, options: AgentOptions = {}): Promise<Agent> {
  const isFounded = options.authority !== undefined || options.authorities !== undefined
  const agent = await startAgent({
    ...(isFounded ? {} : { trustDomain: 'saas.example' }),
    entries: [{ spiffeId: billing }],
    ...options,
  })
  context.after(() => agent.close())
  return agent
}
