import type { TLSSocket } from 'node:tls'
import type { Accepted } from './accepted-material.ts'
import type { PeerRefusal, PeerVerdict } from './connection.ts'
import { readChain, readLeaf } from './read-chain.ts'
import type { VerdictCache } from './verdict-cache.ts'

/** Verifies the peer of a connection whose handshake is complete. */
export function verifyPeer(
  socket: TLSSocket,
  accepted: Accepted | undefined,
  cache: VerdictCache,
  now: number,
): PeerVerdict {
  if (accepted === undefined) return withoutMaterial
  // A resumed session shows what an earlier handshake proved, to whoever holds the ticket.
  if (socket.isSessionReused()) return refuse('session_resumed', 'the session was resumed, expected a full handshake')
  const leafDer = readLeaf(socket)
  if (leafDer === undefined) return refuse('certificate_missing', 'the peer presented no certificate')
  let shown = 0
  const readPresented = (): readonly Buffer[] => {
    const chain = readChain(socket)
    shown = chain.length
    return chain
  }
  const { trust, ownIntermediates } = accepted
  const verdict = cache.verify({ leafDer, readChain: readPresented, trust, additional: ownIntermediates, now })
  // OpenSSL's verdict is the second lock; it says neither whose bundle vouched nor that this is an SVID, nor in our words
  // what was wrong.
  if (verdict.ok && !socket.authorized) return refuse('tls_refused', String(socket.authorizationError))
  if (verdict.ok || verdict.reason !== 'unknown_authority' || shown > 1) return verdict
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
