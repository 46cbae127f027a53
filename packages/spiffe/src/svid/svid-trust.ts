import { clientAuth } from '../certificate/certificate.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import type { PeerTrust } from '../trust/peer-trust.ts'
import { carryOver, type SvidClaim, verifySvid } from './verify-svid.ts'
import type { X509Svid } from './x509-svid.ts'

/**
 * Creates the trust for peers with SPIFFE IDs. They are verified against the bundle of the trust domain in their own
 * SPIFFE ID.
 *
 * @param usage the peer's side of the handshake; default the client
 */
export function createSvidTrust(
  bundles: ReadonlyMap<string, X509Bundle>,
  usage: NonNullable<SvidClaim['usage']> = clientAuth,
): PeerTrust<X509Svid> {
  return {
    authorities: [...bundles.values()].flatMap(({ authorities }) => authorities),
    bundles: [...bundles.values()],
    verify: (claim) => {
      const verdict = verifySvid({ ...claim, bundles, usage })
      return verdict.ok ? { ok: true, proof: verdict.svid } : verdict
    },
    holds: (svid) => bundles.get(svid.spiffeId.trustDomain) === svid.bundle,
    carryOver: (svid) => carryOver(svid, bundles.get(svid.spiffeId.trustDomain)),
    trustDomainOf: ({ spiffeId }) => spiffeId.trustDomain,
  }
}
