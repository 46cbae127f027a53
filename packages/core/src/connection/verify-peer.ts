import type { TLSSocket } from 'node:tls'
import type { Accepted } from './accepted-material.ts'
import type { PeerRefusal, PeerVerdict } from './connection.ts'
import type { ShownChain } from './read-chain.ts'
import type { VerdictCache } from './verdict-cache.ts'

/** What a peer is verified with. */
export interface PeerVerifier {
  readonly cache: VerdictCache
  readonly showPeer: (socket: TLSSocket) => ShownChain | undefined
}

/** Verifies the peer of a connection whose handshake is complete. */
export function verifyPeer(
  socket: TLSSocket,
  accepted: Accepted | undefined,
  { cache, showPeer }: PeerVerifier,
  now: number,
): PeerVerdict {
  if (accepted === undefined) return withoutMaterial
  // A resumed session shows what an earlier handshake proved, to whoever holds the ticket.
  if (socket.isSessionReused()) return refuse('session_resumed', 'the session was resumed, expected a full handshake')
  const shown = showPeer(socket)
  if (shown === undefined) return refuse('certificate_missing', 'the peer presented no certificate')
  const verdict = verifyShown(shown, accepted, cache, now)
  // OpenSSL's verdict is the second lock; it says neither whose bundle vouched nor that this is an SVID, nor in our words
  // what was wrong.
  if (verdict.ok && !socket.authorized) return refuse('tls_refused', String(socket.authorizationError))
  return verdict
}

// Until a chain is long enough to reach an authority.
function verifyShown(
  { leaf: leafDer, chains }: ShownChain,
  { trust, ownIntermediates: additional }: Accepted,
  cache: VerdictCache,
  now: number,
): PeerVerdict {
  let verdict: PeerVerdict = refuse('certificate_missing', 'Node shows no certificate')
  let longest = 0
  for (const readChain of chains) {
    let chain: readonly Buffer[] = []
    verdict = cache.verify({ leafDer, readChain: () => (chain = readChain()), trust, additional, now })
    if (verdict.ok || verdict.reason !== 'unknown_authority') return verdict
    longest = Math.max(longest, chain.length)
    if (longest > 1) return verdict
  }
  return { ...verdict, detail: `${verdict.detail}; ${leafAlone}` }
}

/** The verdict on every peer while there is no valid certificate of our own. */
export const withoutMaterial: PeerRefusal = Object.freeze({
  ok: false,
  reason: 'source_unavailable',
  detail: 'there is no valid certificate of our own',
})

const leafAlone =
  'Node showed the leaf alone: the peer sent no intermediates, or this version of Node hides them (24.21 does); an intermediate that stands in the bundle beside its authority is found'

function refuse(reason: string, detail: string): PeerRefusal {
  return { ok: false, reason, detail }
}
