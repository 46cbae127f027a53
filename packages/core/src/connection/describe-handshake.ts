import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** What OpenSSL had against a handshake, with what it means where its word alone does not say so. */
export function describeHandshake(error: Error, socket: TLSSocket): string {
  const { authorizationError } = socket
  // Node says `null` here as well as undefined, and its types say Error where it gives a word.
  const reason: unknown = Reflect.get(error, 'reason')
  const found = typeof reason === 'string' ? reason : error.message
  const word = authorizationError ? String(authorizationError) : found
  const meaning = meanings.get(word)
  return meaning === undefined ? word : `${word}: ${meaning}`
}

/** The address of a peer whose handshake failed: by then only the socket below TLS knows it, if it was asked in time. */
export function findAddress(socket: TLSSocket): string | undefined {
  const below: unknown = Reflect.get(socket, '_parent')
  return socket.remoteAddress ?? (below instanceof Socket ? below.remoteAddress : undefined)
}

/** Asks a new connection for its address, which Node keeps from then on. */
export function noteAddress(socket: Socket): void {
  void socket.remoteAddress
}

const unknownAuthority = 'its authority is in none of the bundles whose callers are authenticated here'

const meanings: ReadonlyMap<string, string> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownAuthority],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownAuthority],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', unknownAuthority],
  ['CERT_SIGNATURE_FAILURE', 'another key than that of the authority of this name signed it'],
  ['CERT_HAS_EXPIRED', 'a certificate of its chain has expired'],
  ['CERT_NOT_YET_VALID', 'a certificate of its chain is not valid yet, or a clock is wrong'],
  ['INVALID_PURPOSE', 'its key usage or extended key usage does not allow it to be a caller'],
])
