import type { TLSSocket } from 'node:tls'
import type { Reporter } from '../events.ts'
import { VerdictCache } from '../svid/verdict-cache.ts'
import type { SvidVerdict } from '../svid/verify-svid.ts'
import type { Accepted } from './accepted-material.ts'
import { callAt } from './long-timer.ts'
import { readChain, readLeaf } from './read-chain.ts'

/** The verdict on a chain, or why no chain was looked at. */
export type PeerVerdict =
  | SvidVerdict
  | {
      readonly ok: false
      readonly reason: 'source_unavailable' | 'session_resumed' | 'tls_refused' | 'identity_expired'
      readonly detail: string
    }

/** One connection and the verdict on its peer, kept with the material under which it was last reached. */
export interface Connection {
  readonly socket: TLSSocket
  verdict: PeerVerdict
  accepted: Accepted
  /** Set once the socket no longer speaks HTTP: then nothing but its end can end a peer's access. */
  isUpgraded: boolean
}

/** What the guard needs of a request to find its connection; Node's HTTP/1 and HTTP/2 requests both have it. */
export interface ConnectedRequest {
  readonly httpVersionMajor: number
  readonly socket: object
  readonly stream?: { readonly session?: object | undefined } | undefined
}

/**
 * The connections of every attached server: each peer is verified once, when its handshake is complete; a request only
 * looks the verdict up. What is not in here was never verified.
 */
export class PeerConnections {
  readonly #connections = new WeakMap<object, Connection>()
  readonly #upgraded = new Set<Connection>()
  readonly #cache = new VerdictCache()
  readonly #report: Reporter
  readonly #endsAtExpiry: boolean

  constructor(report: Reporter, endsAtExpiry: boolean) {
    this.#report = report
    this.#endsAtExpiry = endsAtExpiry
  }

  /** Verifies the peer of a new connection and remembers the verdict; ends the connection if there is no proof. */
  accept(socket: TLSSocket, accepted: Accepted | undefined, now: number): void {
    const verdict = this.#verifyPeer(socket, accepted, now)
    if (accepted !== undefined) {
      const connection: Connection = { socket, verdict, accepted, isUpgraded: false }
      this.#connections.set(socket, connection)
      Reflect.defineProperty(socket, connectionOfSocket, { value: connection })
      if (verdict.ok) this.#watchExpiry(connection, verdict.svid.expiresAt)
    }
    this.#reportVerdict(socket, verdict, now)
    if (!verdict.ok) socket.destroy()
  }

  /** Makes the connection findable from an HTTP/2 session, whose requests never show the socket itself. */
  link(session: { readonly socket: object }): void {
    // Node's stand-in for the socket of a session passes unknown properties through.
    const connection: unknown = Reflect.get(session.socket, connectionOfSocket)
    if (isConnection(connection)) this.#connections.set(session, connection)
  }

  find(request: ConnectedRequest): Connection | undefined {
    const key = request.httpVersionMajor < 2 ? request.socket : request.stream?.session
    return key === undefined ? undefined : this.#connections.get(key)
  }

  /** The verdict as of now: reached again only when the bundle of the peer's trust domain is another object. */
  verdictOf(connection: Connection, accepted: Accepted, now: number): PeerVerdict {
    const { verdict } = connection
    if (connection.accepted === accepted || !verdict.ok) return verdict
    const { svid } = verdict
    const { bundles, ownIntermediates } = accepted
    if (bundles.get(svid.spiffeId.trustDomain) !== svid.bundle) {
      connection.verdict = this.#cache.verifyAgain(svid, { bundles, additional: ownIntermediates, now })
    }
    connection.accepted = accepted
    if (!connection.verdict.ok) this.#reportVerdict(connection.socket, connection.verdict, now)
    return connection.verdict
  }

  /** Remembers that no further request will come on this connection to be decided. */
  markUpgraded(connection: Connection): void {
    connection.isUpgraded = true
    this.#upgraded.add(connection)
    connection.socket.once('close', () => this.#upgraded.delete(connection))
  }

  /** Ends the upgraded connections of peers that new material no longer proves. */
  endWithdrawn(accepted: Accepted | undefined, now: number): void {
    for (const connection of this.#upgraded) {
      if (accepted === undefined || !this.verdictOf(connection, accepted, now).ok) connection.socket.destroy()
    }
  }

  /** The verdict on a chain that came without TLS; for sources made for tests. */
  verifyChain(chain: readonly Uint8Array[], { bundles, ownIntermediates }: Accepted, now: number): PeerVerdict {
    const [leafDer] = chain
    if (leafDer === undefined) return noCertificate
    return this.#cache.verify({ leafDer, readChain: () => chain, bundles, additional: ownIntermediates, now })
  }

  #verifyPeer(socket: TLSSocket, accepted: Accepted | undefined, now: number): PeerVerdict {
    if (accepted === undefined) return refuse('source_unavailable', 'there is no valid SVID of our own')
    // A resumed session shows what an earlier handshake proved, to whoever holds the ticket.
    if (socket.isSessionReused()) return refuse('session_resumed', 'the session was resumed, expected a full handshake')
    // OpenSSL's verdict is the second lock; it says neither whose bundle vouched nor that this is an SVID.
    if (!socket.authorized) return refuse('tls_refused', String(socket.authorizationError))
    const leafDer = readLeaf(socket)
    if (leafDer === undefined) return noCertificate
    let shown = 0
    const readPresented = (): readonly Buffer[] => {
      const chain = readChain(socket)
      shown = chain.length
      return chain
    }
    const { bundles, ownIntermediates } = accepted
    const claim = { leafDer, readChain: readPresented, bundles, additional: ownIntermediates, now }
    const verdict = this.#cache.verify(claim)
    if (verdict.ok || verdict.reason !== 'unknown_authority' || shown > 1) return verdict
    return { ...verdict, detail: `${verdict.detail}; ${leafAlone}` }
  }

  #watchExpiry(connection: Connection, expiresAt: number): void {
    const stop = callAt(expiresAt, () => {
      // A new bundle may have proved a longer path in the meantime.
      if (connection.verdict.ok && Date.now() < connection.verdict.svid.expiresAt) {
        this.#watchExpiry(connection, connection.verdict.svid.expiresAt)
      } else if (this.#endsAtExpiry || connection.isUpgraded) {
        this.#reportVerdict(
          connection.socket,
          { ok: false, reason: 'identity_expired', detail: expiredAt(expiresAt) },
          Date.now(),
        )
        connection.socket.destroy()
      }
    })
    connection.socket.once('close', stop)
  }

  #reportVerdict(socket: TLSSocket, verdict: PeerVerdict, now: number): void {
    const from = socket.remoteAddress === undefined ? {} : { remoteAddress: socket.remoteAddress }
    if (verdict.ok) {
      const { spiffeId, leaf, expiresAt } = verdict.svid
      const about = { spiffeId: spiffeId.toString(), serialNumber: leaf.serialNumber, expiresAt }
      this.#report({ type: 'authentication', outcome: 'accepted', at: now, ...about, ...from })
    } else {
      const { ok: _, ...why } = verdict
      this.#report({ type: 'authentication', outcome: 'refused', at: now, ...why, ...from })
    }
  }
}

const connectionOfSocket: unique symbol = Symbol('countersign.connection')

function isConnection(value: unknown): value is Connection {
  return typeof value === 'object' && value !== null && 'verdict' in value && 'accepted' in value
}

function refuse(reason: 'source_unavailable' | 'session_resumed' | 'tls_refused', detail: string): PeerVerdict {
  return { ok: false, reason, detail }
}

function expiredAt(moment: number): string {
  return `the certificate expired at ${new Date(moment).toISOString()} while its connection was open`
}

const leafAlone =
  'Node showed the leaf alone: the peer sent no intermediates, or this version of Node hides them (24.21 does); an intermediate that stands in the bundle beside its authority is found'

const noCertificate: PeerVerdict = {
  ok: false,
  reason: 'certificate_missing',
  detail: 'the peer presented no certificate',
}
