import { createAuthority } from '@countersign/testkit'
import { startAgent } from '@countersign/testkit/workload-api'
import type { Rotation } from './rotation.ts'

/** Starts an agent that issues a new SVID on each call. */
export async function createAgentRotation(): Promise<Rotation> {
  const authority = await createAuthority('saas.example', { ttlSeconds: 86_400 })
  const spiffeId = 'spiffe://saas.example/ns/production/sa/billing'
  const agent = await startAgent({ authority, entries: [{ spiffeId }] })
  let count = 0
  const next = async (): Promise<void> => {
    count += 1
    if (count % 2 === 0) await agent.rotate()
    // Without an overlap, because the root authority stays the same.
    else
      await agent.setAuthority(await authority.intermediate({ name: `intermediate ${count}` }), { overlapSeconds: 0 })
  }
  return { how: 'workload-api', place: agent.endpoint, authority, next, close: () => agent.close() }
}
