import { createAuthority } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'

export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
export const billing = 'spiffe://saas.example/ns/production/sa/billing'

/** Two SVIDs from an intermediate, valid for ten minutes, and a federated trust domain. */
export async function startAgentWithPartner(): Promise<Agent> {
  const root = await createAuthority('saas.example')
  const partner = await createAuthority('partner.example')
  return startAgent({
    authority: await root.intermediate(),
    entries: [
      { spiffeId: coreApi, ttlSeconds: 600, federatesWith: [partner] },
      { spiffeId: billing, ttlSeconds: 600, federatesWith: [partner], hint: 'internal' },
    ],
  })
}
