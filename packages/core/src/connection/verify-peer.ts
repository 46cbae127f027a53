import type { TLSSocket } from 'node:tls'
import type { TrustState } from './material-gate.ts'
import type { PeerRefusal, PeerVerdict } from './connection.ts'
import { describeOpensslCode } from './describe-handshake.ts'
import type { PresentedChain } from './read-chain.ts'
import type { TimeBudget } from './time-budget.ts'
import type { VerdictCache } from './verdict-cache.ts'

/** What a peer is verified with. */
export interface PeerVerifier {
  readonly cache: VerdictCache
  readonly readPeerChain: (socket: TLSSocket) => PresentedChain | undefined
  /** What may be spent on finding out what is wrong with a peer that OpenSSL has refused. Default: no limit. */
  readonly diagnosis?: TimeBudget | undefined
}

/** Verifies the peer of a connection whose handshake is complete. */
export function verifyPeer(
  socket: TLSSocket,
  accepted: TrustState | undefined,
  { cache, readPeerChain, diagnosis }: PeerVerifier,
  now: number,
): PeerVerdict {
  if (accepted === undefined) return withoutMaterial
  // A resumed session shows what an earlier handshake proved, to whoever holds the ticket.
  if (socket.isSessionReused()) return refuse('session_resumed', 'the session was resumed, expected a full handshake')
  const shown = readPeerChain(socket)
  if (shown === undefined) return refuse('certificate_missing', 'the peer presented no certificate')
  const verify = (): PeerVerdict => verifyShown(shown, accepted, cache, now)
  // OpenSSL's verdict is a second lock where it has authorities. It says neither whose bundle vouched nor that this is an
  // SVID.
  if (accepted.openssl === 'unused' || socket.authorized) return verify()
  // Refused already: what is verified now only says in our words what is wrong.
  const verdict = diagnosis === undefined ? verify() : diagnosis.spend(verify)
  if (verdict?.ok === false) return verdict
  return refuse('tls_refused', describeOpensslCode(String(socket.authorizationError)))
}

// By the next form of the chain, too, where it has a certificate that the last one did not have.
function verifyShown(
  { leaf: leafDer, chains: [readFirst, ...readers] }: PresentedChain,
  { trust, known }: TrustState,
  cache: VerdictCache,
  now: number,
): PeerVerdict {
  let shown: readonly Buffer[] = []
  let verdict: PeerVerdict = cache.verify({
    leafDer,
    readChain: () => (shown = readFirst()),
    trust,
    additional: [],
    known,
    now,
  })
  for (const readChain of readers) {
    if (verdict.ok) return verdict
    const chain = readChain()
    if (chain.every((der) => shown.some((known) => known.equals(der)))) continue
    shown = chain
    verdict = cache.verify({ leafDer, readChain: () => chain, trust, additional: [], known, now })
  }
  return verdict
}

/** The verdict on every peer while there is no valid certificate of our own. */
export const withoutMaterial: PeerRefusal = Object.freeze({
  ok: false,
  reason: 'source_unavailable',
  detail: 'there is no valid certificate of our own',
})

function refuse(reason: string, detail: string): PeerRefusal {
  return { ok: false, reason, detail }
}
