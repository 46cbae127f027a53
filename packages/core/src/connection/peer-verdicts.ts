import type { TLSSocket } from 'node:tls'
import type { Certificate } from '@countersign/spiffe'
import type { TrustState } from './material-gate.ts'
import type { Connection, PeerVerdict } from './connection.ts'
import { validityOf, nameOf } from './describe-peer.ts'
import { describeLongLife } from './material-warnings.ts'
import type { Proof } from './proof.ts'
import { listPresented, readCallerChain, type PresentedChain } from './read-chain.ts'
import { TimeBudget } from './time-budget.ts'
import { type KeptClaim, VerdictCache } from './verdict-cache.ts'
import { verifyPeer } from './verify-peer.ts'

/** How peers are verified. */
export interface VerdictPolicy {
  /** Milliseconds. A peer is refused if its certificate has a longer lifetime. */
  readonly maxCertificateLifetime: number | undefined
  /** Reads what Node exposes of a peer's chain. Default: reads the chain of a caller. */
  readonly readPeerChain?: (socket: TLSSocket) => PresentedChain | undefined
  /** Limits the time spent on explaining why OpenSSL refused a caller. Default: a tenth of the time. */
  readonly diagnosis?: TimeBudget
}

/** Verifies each peer when its handshake is complete, and again under new material. */
export class PeerVerdicts {
  readonly #cache = new VerdictCache()
  readonly #readPeerChain: (socket: TLSSocket) => PresentedChain | undefined
  readonly #diagnosis: TimeBudget
  readonly #maxCertificateLifetime: number | undefined

  constructor({
    maxCertificateLifetime,
    readPeerChain = readCallerChain,
    diagnosis = new TimeBudget(),
  }: VerdictPolicy) {
    this.#maxCertificateLifetime = maxCertificateLifetime
    this.#readPeerChain = readPeerChain
    this.#diagnosis = diagnosis
  }

  /** Returns the verdict on the peer of a new connection. */
  verify(
    socket: TLSSocket,
    trustState: TrustState | undefined,
    { isCaller, now }: { readonly isCaller: boolean; readonly now: number },
  ): PeerVerdict {
    // Unauthenticated callers can connect as often as they like, but configuration decides which servers are called.
    const diagnosis = isCaller ? this.#diagnosis : undefined
    return this.#limit(
      verifyPeer(socket, trustState, { cache: this.#cache, readPeerChain: this.#readPeerChain, diagnosis }, now),
    )
  }

  /** Returns the verdict on a chain that came without TLS, for sources made for tests. */
  verifyChain(chain: readonly Uint8Array[], { trust, known }: TrustState, now: number): PeerVerdict {
    const [leafDer] = chain
    if (leafDer === undefined) {
      return { ok: false, reason: 'certificate_missing', detail: 'the peer presented no certificate' }
    }
    const claim = { leafDer, readChain: () => chain, trust, additional: [], known, now }
    return this.#limit(this.#cache.verify(claim))
  }

  /** Returns the verdict on a chain that a proxy forwarded. `additional` completes it. */
  verifyForwarded(
    chain: readonly Uint8Array[],
    additional: readonly Certificate[],
    { trust, known }: TrustState,
    now: number,
  ): PeerVerdict {
    const [leafDer = new Uint8Array()] = chain
    return this.#limit(this.#cache.verify({ leafDer, readChain: () => chain, trust, additional, known, now }))
  }

  /** Returns the verdict on an open connection under new material. */
  verifyAgain(
    { socket, extras }: Pick<Connection, 'socket' | 'extras'>,
    proof: Proof,
    { trust, known }: TrustState,
    now: number,
  ): PeerVerdict {
    const asked: Omit<KeptClaim, 'leafDer' | 'readChain'> = { trust, additional: [], known, now }
    const again = this.#cache.verifyAgain(proof, { ...asked, extras })
    if (again.ok) return again
    // The old path used only some of the certificates that the peer presented. The others may lead to an authority that
    // is trusted now. They may also differ from those of the connection whose verdict was cached.
    const leafDer = proof.leaf.der
    const path = proof.path.slice(0, -1).map(({ der }) => der)
    const shown = extras.length === 0 ? this.#showAgain(socket) : extras
    if (shown.length === 0) return again
    const presented = this.#cache.verify({ ...asked, leafDer, readChain: () => [...path, ...shown] })
    return presented.ok ? presented : again
  }

  /** Returns the certificates that a verified peer presented besides its path, as DER. */
  extrasOf(verdict: PeerVerdict): readonly Uint8Array[] {
    return verdict.ok ? this.#cache.extrasOf(verdict.proof) : []
  }

  #showAgain(socket: TLSSocket): readonly Uint8Array[] {
    const shown = this.#readPeerChain(socket)
    return shown === undefined ? [] : listPresented(socket, shown)
  }

  #limit(verdict: PeerVerdict): PeerVerdict {
    const longest = this.#maxCertificateLifetime
    if (!verdict.ok || longest === undefined) return verdict
    const detail = describeLongLife(validityOf(verdict.proof), longest)
    return detail === undefined ? verdict : { ok: false, reason: 'lifetime_too_long', detail, ...nameOf(verdict.proof) }
  }
}
