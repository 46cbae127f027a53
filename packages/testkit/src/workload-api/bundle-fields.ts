import { SpiffeId } from '@countersign/spiffe'
import type { AgentContent } from './agent-state.ts'
import type { BundleFields } from './answer.ts'
import { decodePem } from './decode-pem.ts'
import { listJwtAuthorities, listX509Authorities } from './trust-domain-keys.ts'

/** Encodes the X.509 bundle of one of the agent's trust domains. */
export function encodeX509Bundle(content: AgentContent, trustDomain: string): Buffer {
  const keys = content.keys.get(trustDomain)
  return Buffer.concat(keys === undefined ? [] : listX509Authorities(keys))
}

/** Encodes the X.509 bundles of the trust domains that the entries federate with. */
export function encodeFederatedBundles(content: AgentContent): BundleFields {
  const bundles = content.held
    .flatMap(({ entry }) => entry.federatesWith ?? [])
    .map((partner): readonly [string, Buffer] =>
      typeof partner === 'string'
        ? [`spiffe://${partner}`, encodeX509Bundle(content, partner)]
        : [`spiffe://${partner.trustDomain}`, Buffer.concat(decodePem(partner.bundlePem))],
    )
  return Object.fromEntries(bundles)
}

/** Encodes all X.509 bundles of the entries: their own and the federated ones. */
export function encodeX509Bundles(content: AgentContent): BundleFields {
  const own = listOwnTrustDomains(content).map((name) => [`spiffe://${name}`, encodeX509Bundle(content, name)] as const)
  return { ...encodeFederatedBundles(content), ...Object.fromEntries(own) }
}

/** Encodes all JWT bundles of the entries as JWK sets. An external authority has none. */
export function encodeJwtBundles(content: AgentContent): BundleFields {
  const partners = content.held.flatMap(({ entry }) => entry.federatesWith ?? [])
  const names = partners.flatMap((partner) => (typeof partner === 'string' ? [partner] : []))
  const bundles = [...listOwnTrustDomains(content), ...names].flatMap((name) => {
    const keys = content.keys.get(name)
    if (keys === undefined) return []
    const set = { keys: listJwtAuthorities(keys) }
    return [[`spiffe://${name}`, Buffer.from(JSON.stringify(set))] as const]
  })
  return Object.fromEntries(bundles)
}

function listOwnTrustDomains({ held }: AgentContent): readonly string[] {
  return [...new Set(held.map(({ svid }) => SpiffeId.parse(svid.spiffeId).trustDomain))]
}
