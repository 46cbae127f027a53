import { serverAuth } from '../certificate/certificate.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import type { PeerTrust } from '../trust/peer-trust.ts'
import { createSvidTrust } from './svid-trust.ts'
import type { X509Svid } from './x509-svid.ts'

/** The servers that a call may reach. */
export interface ExpectedServers {
  readonly trustDomains: readonly string[]
  readonly isExpected: (server: SpiffeId) => boolean
  /** The list as configured, for messages. */
  readonly expected: string
}

/**
 * Creates the trust for servers. They are verified like callers, against the bundle of the trust domain in their own
 * SPIFFE ID. They must also be expected. An unexpected server has its own reason, because its certificate is valid.
 */
export function createServerTrust(
  bundles: ReadonlyMap<string, X509Bundle>,
  { trustDomains, isExpected, expected }: ExpectedServers,
): PeerTrust<X509Svid> {
  const trust = createSvidTrust(bundles, serverAuth)
  return {
    ...trust,
    // The authorities for OpenSSL, which verifies the chain as a second check.
    authorities: trustDomains.flatMap((trustDomain) => bundles.get(trustDomain)?.authorities ?? []),
    verify: (claim) => {
      const verdict = trust.verify(claim)
      if (!verdict.ok || isExpected(verdict.proof.spiffeId)) return verdict
      const spiffeId = verdict.proof.spiffeId.toString()
      return { ok: false, reason: serverUnexpected, detail: `found ${spiffeId}, expected ${expected}`, spiffeId }
    },
  }
}

/** The reason for a server that is trusted but is not the one that was called. */
export const serverUnexpected = 'server_unexpected'
