import { X509Certificate } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { X509Material } from '@countersign/core'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import { type Authorities, issueFor, serviceId } from './callers.ts'
import type { Credentials } from './client.ts'
import { awaitUpdates, type OnRotation, rotateUnderCalls, type RotationResult } from './rotation.ts'

/** Runs both services on an agent: the machine's if `SPIFFE_ENDPOINT_SOCKET` is set, otherwise an embedded one. */
export function rotateByAgent(authorities: Authorities, onRotation: OnRotation): Promise<readonly RotationResult[]> {
  const endpoint = process.env['SPIFFE_ENDPOINT_SOCKET'] ?? ''
  return endpoint === '' ? rotateByOwnAgent(authorities, onRotation) : rotateByMachinesAgent(endpoint, onRotation)
}

async function rotateByOwnAgent(authorities: Authorities, onRotation: OnRotation): Promise<readonly RotationResult[]> {
  const { ours } = authorities
  await using agent = await startAgent({ authority: ours, entries: [{ spiffeId: serviceId, ttlSeconds: 5 }] })
  await using source = await workloadApiSource({ endpoint: agent.endpoint })
  const credentials = { svid: await issueFor('core-api', authorities), ca: ours.bundlePem }
  return await rotateUnderCalls(
    {
      how: 'from the Workload API with SVIDs of 5 seconds',
      source,
      credentials: () => credentials,
      change: () => awaitUpdates(source, 3),
    },
    onRotation,
  )
}

// The SVIDs of this agent may be valid for an hour, so the demo does not wait for a renewal. The service calls itself.
async function rotateByMachinesAgent(endpoint: string, onRotation: OnRotation): Promise<readonly RotationResult[]> {
  await using source = await workloadApiSource({ endpoint })
  const known = new WeakMap<X509Material, Credentials>()
  const credentials = (): Credentials => {
    const { current } = source
    const shown = known.get(current) ?? toCredentials(current)
    known.set(current, shown)
    return shown
  }
  const how = `from the agent at ${endpoint}`
  return await rotateUnderCalls(
    {
      how,
      source,
      credentials,
      change: () => Promise.race([awaitUpdates(source, 1), setTimeout(8000)]),
    },
    onRotation,
  )
}

function toCredentials({ svid, bundles }: X509Material): Credentials {
  const authorities = bundles.get(svid.spiffeId.trustDomain)?.authorities ?? []
  return {
    svid: { keyPem: svid.exportPrivateKey(), certificatePem: svid.certificatePem },
    ca: authorities.map(({ der }) => new X509Certificate(der).toString()).join(''),
  }
}
