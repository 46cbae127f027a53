import type { TLSSocket } from 'node:tls'
import type { PeerTrustVerdict } from '@countersign/spiffe/internal'
import type { TrustState } from './material-gate.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Proof } from './proof.ts'

/** The verdict on a chain, or why no chain was looked at. */
export type PeerVerdict = PeerTrustVerdict<Proof>

/** Why a peer proves nothing (any more). */
export type PeerRefusal = Extract<PeerVerdict, { readonly ok: false }>

/** What a connection does with what is found about its peer. */
export interface ConnectionEnd {
  /** Ends the connection, whatever runs on it. */
  readonly end: (why: PeerRefusal) => void
  /** Told shortly before the peer's certificate expires: what runs may end, and nothing new should begin. */
  readonly announce: () => void
}

/** One connection and the verdict on its peer, kept with the material under which it was last reached. */
export interface Connection extends ConnectionEnd {
  /** The registry that it is in: that of one guard or dialer alone. */
  readonly owner: object
  readonly socket: TLSSocket
  /** What the peer presented besides the path that proved it; DER. */
  readonly extras: readonly Uint8Array[]
  verdict: PeerVerdict
  accepted: TrustState
  /** Where it speaks HTTP/2. */
  streams: OpenStreams | undefined
  /** Set once the socket no longer speaks HTTP: then nothing but its end can end a peer's access. */
  isUpgraded: boolean
  /** Set shortly before the peer's certificate expires: every response announces the end from then on. */
  isEnding: boolean
  /** The exchanges that are not at their end, where they have to be found at expiry. */
  running: Set<EndableExchange> | undefined
  /** Set when the certificate has expired and the connection was left open for a last refusal: no timer waits for its end any more. */
  isUnwatched: boolean
}

/** What is needed of a half of an exchange to know its end, and to bring it about on HTTP/2. */
export interface EndableExchange {
  /** Of HTTP/2 alone: resets the stream with this code. */
  close?(code: number): void
  once(event: 'close', listener: () => void): void
}

/** What is needed of a response; Node's HTTP/1 and HTTP/2 responses both have it. */
export interface EndableResponse extends EndableExchange {
  shouldKeepAlive?: boolean
}

/** What is needed of a request; Node's HTTP/1 and HTTP/2 requests both have it. */
export interface EndableRequest extends EndableExchange {
  /** Whether all of its body was received. */
  readonly complete: boolean
  readonly destroyed: boolean
}
