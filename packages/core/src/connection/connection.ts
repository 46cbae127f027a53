import type { TLSSocket } from 'node:tls'
import type { PeerTrustVerdict } from '@countersign/spiffe/internal'
import type { TrustState } from './material-gate.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Proof } from './proof.ts'

/** The verdict on a chain, or the reason why no chain was verified. */
export type PeerVerdict = PeerTrustVerdict<Proof>

/** Why a peer is not verified, or no longer is. */
export type PeerRefusal = Extract<PeerVerdict, { readonly ok: false }>

/** How a connection reacts to the verdict on its peer. */
export interface ConnectionEnd {
  /** Closes the connection, whatever is running on it. */
  readonly end: (why: PeerRefusal) => void
  /**
   * Called shortly before the peer's certificate expires: running requests may finish, and no new ones should start.
   */
  readonly announce: () => void
}

/** What is known about a connection when its handshake is complete. */
export interface ConnectionFacts {
  /** The registry that holds it, which belongs to one guard or dialer. */
  readonly owner: object
  readonly socket: TLSSocket
  /** The certificates that the peer presented besides the verified path, as DER. */
  readonly extras: readonly Uint8Array[]
  readonly verdict: PeerVerdict
  readonly trustState: TrustState
  /** True if the peer presented no certificate and its requests may be proven otherwise. */
  readonly isWithoutCertificate: boolean
  /**
   * How it ends. Default: `end` destroys the socket, and `announce` sends GOAWAY on an HTTP/2 session, which names the
   * last request that will be answered; clients may retry later ones (RFC 9113 §6.8).
   */
  readonly ends: ConnectionEnd | undefined
}

/** A connection and the verdict on its peer, with the material under which that verdict was last reached. */
export class Connection implements ConnectionEnd {
  readonly owner: object
  readonly socket: TLSSocket
  readonly extras: readonly Uint8Array[]
  verdict: PeerVerdict
  trustState: TrustState
  /** True if the peer presented no certificate and its requests may be proven otherwise. */
  readonly isWithoutCertificate: boolean
  /** Set if the connection uses HTTP/2. */
  streams: OpenStreams | undefined = undefined
  /** Set if the socket carries no HTTP, or no longer does. Access can then be ended only by closing it. */
  isWithoutHttp = false
  /** Set shortly before the peer's certificate expires. From then on, every response announces the close. */
  isEnding = false
  /** The exchanges in progress, tracked where they have to be aborted at expiry. */
  running: Set<EndableExchange> | undefined = undefined
  /**
   * Set if the certificate has expired and the connection was left open for one last refusal. No timer watches it any
   * more.
   */
  isUnwatched = false
  readonly #ends: ConnectionEnd | undefined

  constructor({ owner, socket, extras, verdict, trustState, isWithoutCertificate, ends }: ConnectionFacts) {
    this.owner = owner
    this.socket = socket
    this.extras = extras
    this.verdict = verdict
    this.trustState = trustState
    this.isWithoutCertificate = isWithoutCertificate
    this.#ends = ends
  }

  end(why: PeerRefusal): void {
    if (this.#ends === undefined) this.socket.destroy()
    else this.#ends.end(why)
  }

  announce(): void {
    if (this.#ends === undefined) this.streams?.drain()
    else this.#ends.announce()
  }
}

/** What is needed to detect that a request or response has closed, and to close it on HTTP/2. */
export interface EndableExchange {
  /** HTTP/2 only: resets the stream with this code. */
  close?(code: number): void
  once(event: 'close', listener: () => void): void
}

/** What is needed of a response. Node's HTTP/1 and HTTP/2 responses both satisfy it. */
export interface EndableResponse extends EndableExchange {
  shouldKeepAlive?: boolean
}

/** What is needed of a request. Node's HTTP/1 and HTTP/2 requests both satisfy it. */
export interface EndableRequest extends EndableExchange {
  /** True if the whole body was received. */
  readonly complete: boolean
  readonly destroyed: boolean
}
