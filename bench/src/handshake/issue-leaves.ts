import type { MaterialInput } from '@countersign/core'
import { type Authority, createAuthority, createKey } from '@countersign/testkit'
import type { Plan } from '../measure/interleave.ts'
import type { HandshakeCase } from './handshake-case.ts'

/** The certificates of one comparison. */
export interface Leaves {
  readonly server: MaterialInput
  /** One key for all of them, because only the certificates must be distinct and keys are expensive. */
  readonly keyPem: string
  /** The PEM chains of the requested number of workloads. */
  readonly chains: readonly string[]
}

/** The number of connections per turn. */
export const connectionsPerTurn = 20

/**
 * Issues certificates for the server and for its peers, all in the last of the trust domains: one for each connection of
 * a generation.
 */
export async function issueLeaves(
  { keyType, hasIntermediate, trustDomains }: HandshakeCase,
  { warmUp, rounds, turns }: Plan,
  perTurn: number = connectionsPerTurn,
): Promise<Leaves> {
  const count = (warmUp + rounds) * turns * perTurn
  const names = Array.from({ length: trustDomains }, (_, index) =>
    index === 0 ? 'saas.example' : `partner-${index}.example`,
  )
  const roots: Authority[] = []
  for (const name of names) roots.push(await createAuthority(name, { keyType }))
  const [own] = roots
  const last = roots.at(-1)
  if (own === undefined || last === undefined) throw new Error('expected at least one trust domain')
  const issuer = hasIntermediate ? await last.intermediate({ keyType }) : last
  const key = await createKey(keyType)
  const { keyPem, certificatePem } = await own.issue('spiffe://saas.example/ns/production/sa/billing', { keyType })
  const chains: string[] = []
  for (let index = 0; index < count; index += 1) {
    const id = `spiffe://${last.trustDomain}/ns/production/sa/worker-${index}`
    chains.push((await issuer.issue(id, { key })).certificatePem)
  }
  const bundles = Object.fromEntries(roots.map((root) => [root.trustDomain, root.bundlePem]))
  return { server: { key: keyPem, cert: certificatePem, bundles }, keyPem: key.pem, chains }
}
