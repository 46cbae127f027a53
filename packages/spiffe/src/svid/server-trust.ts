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
  /** The list as it was written, for people. */
  readonly expected: string
}

/**
 * Servers are held against the bundle that their own SPIFFE ID names, as callers are, and then have to be among those
 * that are expected: a proof of any other is a refusal of its own, because there nothing is wrong but who answered.
 */
export function createServerTrust(
  bundles: ReadonlyMap<string, X509Bundle>,
  { trustDomains, isExpected, expected }: ExpectedServers,
): PeerTrust<X509Svid> {
  const trust = createSvidTrust(bundles, serverAuth)
  return {
    ...trust,
    // What OpenSSL, the second lock, is given.
    authorities: trustDomains.flatMap((trustDomain) => bundles.get(trustDomain)?.authorities ?? []),
    verify: (claim) => {
      const verdict = trust.verify(claim)
      if (!verdict.ok || isExpected(verdict.proof.spiffeId)) return verdict
      const spiffeId = verdict.proof.spiffeId.toString()
      return { ok: false, reason: serverUnexpected, detail: `found ${spiffeId}, expected ${expected}`, spiffeId }
    },
  }
}

/** The reason of a server that is trusted and not the one that was called. */
export const serverUnexpected = 'server_unexpected'
