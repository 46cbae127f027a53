import type { TLSSocket } from 'node:tls'
import type { Certificate } from '@countersign/spiffe'
import { type AuthenticationEvent, hasSubscribers, type Reporter } from '../events.ts'
import type { Accepted } from './accepted-material.ts'
import type {
  Connection,
  ConnectionEnd,
  EndableRequest,
  EndableResponse,
  PeerRefusal,
  PeerVerdict,
} from './connection.ts'
import { beginExchange, type LifePolicy, rewatchLife, watchLife } from './connection-life.ts'
import { describeEnd } from './describe-end.ts'
import { addressOf, describeProof, lifeOf, nameOf } from './describe-peer.ts'
import { describeLongLife, longCertificateLifetime } from './material-warnings.ts'
import { Moments } from './moments.ts'
import { type ClosableSession, OpenStreams } from './open-streams.ts'
import { listPresented, showCaller, type ShownChain } from './read-chain.ts'
import { TimeBudget } from './time-budget.ts'
import { verifyPeer, withoutMaterial } from './verify-peer.ts'
import { type KeptClaim, type Proof, VerdictCache } from './verdict-cache.ts'

/** What the guard needs of a request to find its connection; Node's HTTP/1 and HTTP/2 requests both have it. */
export interface ConnectedRequest {
  readonly httpVersionMajor: number
  readonly socket: object
  readonly stream?: { readonly session?: object | undefined } | undefined
}

// On the socket or the session itself: looking there costs a request less than any map. A symbol that only this file
// knows, and nothing of a request can set.
const connectionOf: unique symbol = Symbol('countersign.connection')

interface Carrier {
  readonly [connectionOf]?: Connection
}

/** How peers are treated once they are verified. */
export interface PeerPolicy {
  readonly onExpiry: 'close' | 'refuse'
  /** Milliseconds; a peer whose certificate lives longer is refused. */
  readonly maxCertificateLifetime: number | undefined
  /** What events tell of where a peer is. Default: its address. */
  readonly describeSocket?: (socket: TLSSocket) => Pick<AuthenticationEvent, 'remoteAddress' | 'server'>
  /** What Node shows of a peer. Default: of a caller. */
  readonly showPeer?: (socket: TLSSocket) => ShownChain | undefined
  /** What may be spent on explaining why OpenSSL refused a caller. Default: a tenth of the time. */
  readonly diagnosis?: TimeBudget
}

/**
 * The connections of every attached server: each peer is verified once, when its handshake is complete; a request only
 * looks the verdict up. What is not in here was never verified.
 */
export class PeerConnections {
  readonly #open = new Set<Connection>()
  readonly #ending = new Set<Connection>()
  readonly #cache = new VerdictCache()
  readonly #diagnosis: TimeBudget
  // By leaf: new authorities make a new proof of it.
  readonly #warned = new WeakSet<Certificate>()
  readonly #report: Reporter
  readonly #policy: PeerPolicy
  readonly #life: LifePolicy
  #stopSweep: () => void = () => undefined
  #sweeps = 0

  constructor(report: Reporter, policy: PeerPolicy) {
    this.#report = report
    this.#policy = policy
    this.#diagnosis = policy.diagnosis ?? new TimeBudget()
    this.#life = {
      onExpiry: policy.onExpiry,
      moments: new Moments(),
      reportExpiry: ({ socket, verdict }, expiresAt) => {
        const end = verdict.ok ? describeEnd(verdict.proof) : `it expired at ${new Date(expiresAt).toISOString()}`
        const detail = `${end} while its connection was open`
        const about = verdict.ok ? nameOf(verdict.proof) : {}
        const expired: PeerRefusal = { ok: false, reason: 'identity_expired', detail, ...about }
        this.#reportVerdict(socket, expired, Date.now(), true)
        return expired
      },
      noteEnding: (connection) => {
        if (connection.isEnding) this.#ending.add(connection)
        else this.#ending.delete(connection)
      },
    }
  }

  /**
   * Verifies the peer of a new connection and remembers the verdict; ends the connection if there is no proof. Without
   * `ends` the end of the connection is that of its socket or its HTTP/2 session.
   */
  accept(socket: TLSSocket, accepted: Accepted | undefined, now: number, ends?: ConnectionEnd): PeerVerdict {
    const { showPeer = showCaller } = this.#policy
    // Strangers call as often as they like; whom we call is for us to say.
    const diagnosis = ends === undefined ? this.#diagnosis : undefined
    const verdict = this.#limit(verifyPeer(socket, accepted, { cache: this.#cache, showPeer, diagnosis }, now))
    if (accepted !== undefined) this.#remember(socket, verdict, accepted, ends)
    this.#reportVerdict(socket, verdict, now)
    if (verdict.ok) this.#warn(socket, verdict.proof, now)
    else if (ends === undefined) socket.destroy()
    else ends.end(verdict)
    return verdict
  }

  /** Makes the connection findable from an HTTP/2 session, whose requests never show the socket itself. */
  link(session: ClosableSession & { readonly socket: object }): void {
    // Node's stand-in for the socket of a session passes unknown properties through.
    const connection = this.#read(session.socket)
    if (connection === undefined) return
    connection.streams = new OpenStreams(session)
    carry(session, connection)
  }

  find(request: ConnectedRequest): Connection | undefined {
    return this.#read(request.httpVersionMajor < 2 ? request.socket : request.stream?.session)
  }

  /** Whether a request that begins has to be told of, because its connection may end while it runs. */
  get isWatching(): boolean {
    return this.#policy.onExpiry === 'refuse' || this.#ending.size > 0
  }

  /** Told of each request before anybody answers it. */
  begin(request: ConnectedRequest & EndableRequest, response: EndableResponse): void {
    const connection = this.find(request)
    if (connection !== undefined) beginExchange(connection, { request, response }, this.#life)
  }

  /** The verdict as of now: reached again only when the bundle that proved the peer is another object. */
  verdictOf(connection: Connection, accepted: Accepted, now: number): PeerVerdict {
    const { verdict } = connection
    if (connection.accepted === accepted || !verdict.ok) return verdict
    const { trust, known } = accepted
    connection.accepted = accepted
    if (trust.holds(verdict.proof)) return verdict
    const again = this.#verifyAgain(connection, verdict.proof, { trust, additional: [], known, now })
    connection.verdict = again
    if (!again.ok) this.#reportVerdict(connection.socket, again, now, true)
    else if (again.proof.expiresAt !== verdict.proof.expiresAt) {
      // Under other authorities the same leaf may be proved for longer, or for less.
      connection.stopWatch()
      connection.stopWatch = watchLife(connection, again.proof, this.#life)
    }
    return again
  }

  /** Remembers that no further request will come on this connection to be decided. */
  markUpgraded(connection: Connection): void {
    connection.isUpgraded = true
    rewatchLife(connection, this.#life)
  }

  /**
   * Ends the open connections of peers that new material no longer proves, whatever runs on them; all of them when there
   * is no material. Many are looked at in turns, so that requests are answered in between: those are decided by
   * `verdictOf` in any case.
   */
  endUnproved(accepted: Accepted | undefined): void {
    this.#stopSweep()
    this.#sweeps += 1
    const number = this.#sweeps
    const waiting = this.#open.values()
    const sweep = (): void => {
      const endOfTurn = performance.now() + sweepTurn
      for (const connection of waiting) {
        // A log that is told of a peer may have brought newer material, and with it a sweep of its own.
        if (number !== this.#sweeps) return
        const verdict = accepted === undefined ? withoutMaterial : this.#judge(connection, accepted)
        if (!verdict.ok) connection.end(verdict)
        if (performance.now() < endOfTurn) continue
        const next = setImmediate(sweep)
        this.#stopSweep = () => clearImmediate(next)
        return
      }
    }
    sweep()
  }

  // In a sweep nobody stands behind to catch: an exception would end the process.
  #judge(connection: Connection, accepted: Accepted): PeerVerdict {
    try {
      return this.verdictOf(connection, accepted, Date.now())
    } catch (error) {
      return { ok: false, reason: 'verification_failed', detail: String(error) }
    }
  }

  /** The verdict on a chain that came without TLS; for sources made for tests. */
  verifyChain(chain: readonly Uint8Array[], { trust, known }: Accepted, now: number): PeerVerdict {
    const [leafDer] = chain
    if (leafDer === undefined) {
      return { ok: false, reason: 'certificate_missing', detail: 'the peer presented no certificate' }
    }
    const claim = { leafDer, readChain: () => chain, trust, additional: [], known, now }
    return this.#limit(this.#cache.verify(claim))
  }

  // What another guard verified proves nothing here.
  #read(carrier: Carrier | undefined): Connection | undefined {
    const connection = carrier?.[connectionOf]
    return connection?.owner === this ? connection : undefined
  }

  #verifyAgain(
    { socket, extras }: Connection,
    proof: Proof,
    asked: Omit<KeptClaim, 'leafDer' | 'readChain' | 'extras'>,
  ): PeerVerdict {
    const claim = { ...asked, extras }
    const again = this.#cache.verifyAgain(proof, claim)
    if (again.ok) return again
    // Of what the peer presented the old path needed only a part; the rest may lead to an authority that holds now. On
    // this connection it may have been another rest than on the one whose verdict was kept.
    const leafDer = proof.leaf.der
    const path = proof.path.slice(0, -1).map(({ der }) => der)
    const shown = extras.length === 0 ? this.#showAgain(socket) : extras
    if (shown.length === 0) return again
    const presented = this.#cache.verify({ ...asked, leafDer, readChain: () => [...path, ...shown] })
    return presented.ok ? presented : again
  }

  #showAgain(socket: TLSSocket): readonly Uint8Array[] {
    const { showPeer = showCaller } = this.#policy
    const shown = showPeer(socket)
    return shown === undefined ? [] : listPresented(shown)
  }

  #remember(socket: TLSSocket, verdict: PeerVerdict, accepted: Accepted, ends: ConnectionEnd | undefined): void {
    const connection: Connection = {
      owner: this,
      socket,
      extras: verdict.ok ? this.#cache.extrasOf(verdict.proof) : [],
      end: ends?.end ?? (() => socket.destroy()),
      // GOAWAY names the last request that is answered; later ones may be sent again (RFC 9113 §6.8).
      announce: ends?.announce ?? (() => connection.streams?.drain()),
      verdict,
      accepted,
      streams: undefined,
      isUpgraded: false,
      isEnding: false,
      running: undefined,
      isUnwatched: false,
      stopWatch: () => undefined,
    }
    carry(socket, connection)
    if (!verdict.ok) return
    this.#open.add(connection)
    connection.stopWatch = watchLife(connection, verdict.proof, this.#life)
    socket.once('close', () => {
      this.#open.delete(connection)
      connection.stopWatch()
      this.#ending.delete(connection)
    })
  }

  #limit(verdict: PeerVerdict): PeerVerdict {
    const { maxCertificateLifetime } = this.#policy
    if (!verdict.ok || maxCertificateLifetime === undefined) return verdict
    const detail = describeLongLife(lifeOf(verdict.proof), maxCertificateLifetime)
    return detail === undefined ? verdict : { ok: false, reason: 'lifetime_too_long', detail, ...nameOf(verdict.proof) }
  }

  #warn(socket: TLSSocket, proof: Proof, now: number): void {
    if (this.#warned.has(proof.leaf)) return
    this.#warned.add(proof.leaf)
    const detail = describeLongLife(lifeOf(proof), longCertificateLifetime)
    if (detail === undefined) return
    const about = { ...describeProof(proof), ...this.#locate(socket) }
    const reason = 'certificate_long_lived'
    this.#report({ type: 'authentication', outcome: 'warning', at: now, reason, detail, ...about })
  }

  #locate(socket: TLSSocket): Pick<AuthenticationEvent, 'remoteAddress' | 'server'> {
    return this.#policy.describeSocket?.(socket) ?? addressOf(socket)
  }

  #reportVerdict(socket: TLSSocket, verdict: PeerVerdict, now: number, wasAuthenticated = false): void {
    if (verdict.ok) {
      // It goes to the channel alone, and putting it together costs as much as looking the verdict up.
      if (!hasSubscribers('authentication')) return
      const about = { ...describeProof(verdict.proof), ...this.#locate(socket) }
      this.#report({ type: 'authentication', outcome: 'accepted', at: now, ...about })
    } else {
      const { ok: _, ...why } = verdict
      const about = { ...why, ...this.#locate(socket) }
      this.#report({ type: 'authentication', outcome: 'refused', at: now, ...about }, wasAuthenticated)
    }
  }
}

/** Milliseconds that one turn of a sweep may take: less than a handshake does. */
const sweepTurn = 2

function carry(carrier: object, connection: Connection): void {
  Reflect.defineProperty(carrier, connectionOf, { value: connection })
}
