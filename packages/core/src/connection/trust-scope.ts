import {
  createServerTrust,
  createSubjectTrust,
  createSvidTrust,
  type ExpectedServers,
  type PeerTrust,
} from '@countersign/spiffe/internal'
import {
  ConfigurationError,
  SourceError,
  type SubjectIdentity,
  type SubjectMaterial,
  type X509Material,
} from '@countersign/spiffe'
import type { Proof } from './proof.ts'

/** Which callers a guard can authenticate. Fixed at startup; updates of the material never change it. */
export type GuardTrustScope =
  | { readonly kind: 'spiffe'; readonly localTrustDomain: string; readonly trustDomains: readonly string[] }
  | { readonly kind: 'subject'; readonly identity: SubjectIdentity }

/** Which peers a guard or a dialer can authenticate. */
export type TrustScope =
  | GuardTrustScope
  /** The peers are servers that we call. */
  | ({ readonly kind: 'servers'; readonly localTrustDomain: string } & ExpectedServers)
  /** Peers are verified without the material; only our own certificate is used. */
  | { readonly kind: 'own' }

/**
 * Creates the verifier of the peers in a scope.
 *
 * @throws {ConfigurationError} `option_invalid` if the material is of another kind than the scope
 * @throws {SourceError} `update_refused` if the SVID belongs to another trust domain than at startup
 */
export function createPeerTrust(scope: TrustScope, material: X509Material | SubjectMaterial): PeerTrust<Proof> {
  if (scope.kind === 'own') return createSvidTrust(new Map())
  if (scope.kind === 'subject') {
    if (material.kind === 'subject') return createSubjectTrust(material.ca, scope.identity)
    throw new ConfigurationError('option_invalid', 'found SPIFFE bundles, expected a CA without SPIFFE as at startup')
  }
  if (material.kind === 'subject') {
    throw new ConfigurationError('option_invalid', 'found a CA without SPIFFE, expected SPIFFE bundles as at startup')
  }
  const { svid, bundles } = material
  const { localTrustDomain, trustDomains, kind } = scope
  if (svid.spiffeId.trustDomain !== localTrustDomain) {
    const found = `found an SVID of ${svid.spiffeId.trustDomain}, expected ${localTrustDomain} as at startup`
    throw new SourceError('update_refused', found)
  }
  if (kind === 'servers') return createServerTrust(bundles, scope)
  return createSvidTrust(new Map([...bundles].filter(([trustDomain]) => trustDomains.includes(trustDomain))))
}
