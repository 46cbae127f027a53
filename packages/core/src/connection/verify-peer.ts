import type { TLSSocket } from 'node:tls'
import type { TrustState } from './material-gate.ts'
import type { PeerRefusal, PeerVerdict } from './connection.ts'
import { describeOpensslCode } from './describe-handshake.ts'
import type { PresentedChain } from './read-chain.ts'
import type { TimeBudget } from './time-budget.ts'
import type { VerdictCache } from './verdict-cache.ts'

/** What is needed to verify a peer. */
export interface PeerVerifier {
  readonly cache: VerdictCache
  readonly readPeerChain: (socket: TLSSocket) => PresentedChain | undefined
  /** Limits the time spent on explaining why OpenSSL refused a peer. Default: no limit. */
  readonly diagnosis?: TimeBudget | undefined
}

/** Verifies the peer of a connection whose handshake is complete. */
export function verifyPeer(
  socket: TLSSocket,
  trustState: TrustState | undefined,
  { cache, readPeerChain, diagnosis }: PeerVerifier,
  now: number,
): PeerVerdict {
  if (trustState === undefined) return withoutMaterial
  // A resumed session shows what an earlier handshake proved, to any client that holds the ticket.
  if (socket.isSessionReused()) return refuse('session_resumed', 'the session was resumed, expected a full handshake')
  const shown = readPeerChain(socket)
  if (shown === undefined) return withoutCertificate
  const verify = (): PeerVerdict => verifyShown(socket, shown, trustState, cache, now)
  // OpenSSL's verdict is a second check if it has authorities. It neither identifies the bundle that proved the peer
  // nor ensures that the certificate is an SVID.
  if (trustState.openssl === 'unused' || socket.authorized) return verify()
  // Already refused: our verification only explains, in our own words, what is wrong.
  const verdict = diagnosis === undefined ? verify() : diagnosis.spend(verify)
  if (verdict?.ok === false) return verdict
  return refuse('tls_refused', describeOpensslCode(String(socket.authorizationError)))
}

// Also tries the next form of the chain if it contains a certificate that the previous one lacked.
function verifyShown(
  socket: TLSSocket,
  { leaf: leafDer, readers: [readFirst, ...others] }: PresentedChain,
  { trust, known }: TrustState,
  cache: VerdictCache,
  now: number,
): PeerVerdict {
  let shown: readonly Buffer[] = []
  let verdict: PeerVerdict = cache.verify({
    leafDer,
    readChain: () => (shown = readFirst(socket)),
    trust,
    additional: [],
    known,
    now,
  })
  for (const readChain of others) {
    if (verdict.ok) return verdict
    const chain = readChain(socket)
    if (chain.every((der) => shown.some((known) => known.equals(der)))) continue
    shown = chain
    verdict = cache.verify({ leafDer, readChain: () => chain, trust, additional: [], known, now })
  }
  return verdict
}

/**
 * The verdict on a peer that presented no certificate at all. A peer with an invalid certificate never has this verdict,
 * so that sending garbage does not make a caller anonymous.
 */
export const withoutCertificate: PeerRefusal = Object.freeze({
  ok: false,
  reason: 'certificate_missing',
  detail: 'the peer presented no certificate',
})

/** The verdict on every peer while we have no valid certificate of our own. */
export const withoutMaterial: PeerRefusal = Object.freeze({
  ok: false,
  reason: 'source_unavailable',
  detail: 'the source has no valid certificate',
})

function refuse(reason: string, detail: string): PeerRefusal {
  return { ok: false, reason, detail }
}
