import type { Proof } from '../connection/proof.ts'
import type { ListedProxy } from './proxies.ts'

/** The peer of a connection. */
export type Peer =
  /** Its certificate was verified, and it is not a listed proxy. */
  | { readonly kind: 'workload'; readonly proof: Proof }
  /** Its certificate was verified, and it is a listed proxy. */
  | { readonly kind: 'proxy'; readonly proof: Proof; readonly proxy: ListedProxy }
  /** It completed a TLS handshake without a certificate. */
  | { readonly kind: 'without-certificate' }
  /** It did not use TLS. */
  | { readonly kind: 'plaintext' }
  /** Any peer of a guard with `dangerouslyTrustAnyPeer`. */
  | { readonly kind: 'any' }

/** What a request carries, whether valid or not. */
export interface Carried {
  /** True if the headers of the configured format state an identity. */
  readonly hasForwarded: () => boolean
  /** True if there is a token for this service. */
  readonly hasToken: () => boolean
}

/** Which credential counts for a request. `nothing`: the caller is anonymous. `both`: the request is denied. */
export type Selection = 'peer' | 'forwarded' | 'asserted' | 'token' | 'nothing' | 'both'

/**
 * Selects the credential that counts for a request. Each kind of peer has one row, and no option mixes the rows:
 *
 * | the peer | the request is from |
 * |---|---|
 * | a workload | that workload; nothing in the request changes it |
 * | a listed proxy | the identity that it forwards, or the subject of a token if its entry has `tokens`; with both the request is denied; with neither it is anonymous, and never from the proxy itself |
 * | without a certificate | the subject of a token, otherwise anonymous |
 * | plaintext | anonymous; nothing in the request counts |
 * | any peer (`dangerouslyTrustAnyPeer`) | the identity that the headers assert, otherwise anonymous |
 *
 * A credential that is present and invalid is still selected. It is then denied, and never becomes anonymous.
 */
export function selectCredential(peer: Peer, { hasForwarded, hasToken }: Carried): Selection {
  if (peer.kind === 'workload') return 'peer'
  if (peer.kind === 'proxy') {
    const isToken = peer.proxy.acceptsTokens && hasToken()
    if (hasForwarded()) return isToken ? 'both' : 'forwarded'
    return isToken ? 'token' : 'nothing'
  }
  if (peer.kind === 'without-certificate') return hasToken() ? 'token' : 'nothing'
  if (peer.kind === 'any') return hasForwarded() ? 'asserted' : 'nothing'
  // Plaintext.
  return 'nothing'
}
