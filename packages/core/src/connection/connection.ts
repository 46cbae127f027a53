import type { TLSSocket } from 'node:tls'
import type { PeerTrustVerdict } from '../trust/peer-trust.ts'
import type { Accepted } from './accepted-material.ts'
import type { Proof } from './verdict-cache.ts'

/** The verdict on a chain, or why no chain was looked at. */
export type PeerVerdict = PeerTrustVerdict<Proof>

/** One connection and the verdict on its peer, kept with the material under which it was last reached. */
export interface Connection {
  readonly socket: TLSSocket
  verdict: PeerVerdict
  accepted: Accepted
  /** Where it speaks HTTP/2. */
  session: EndableSession | undefined
  /** Set once the socket no longer speaks HTTP: then nothing but its end can end a peer's access. */
  isUpgraded: boolean
  /** Set shortly before the peer's certificate expires: every response announces the end from then on. */
  isEnding: boolean
  /** The responses that are being sent, where they have to be found at expiry. */
  running: Set<EndableResponse> | undefined
  /** Ends the timers that wait for the peer's certificate to expire. */
  stopWatch: () => void
}

/** What is needed of an HTTP/2 session to end it without losing a request. */
export interface EndableSession {
  /** Sends GOAWAY and ends when the streams that run have ended; does nothing the second time. */
  close(): void
}

/** What is needed of a response to end it; Node's HTTP/1 and HTTP/2 responses both have it. */
export interface EndableResponse {
  shouldKeepAlive?: boolean
  /** Of HTTP/2 alone: resets the stream with this code. */
  close?(code: number): void
  destroy(): void
  once(event: 'close', listener: () => void): void
}
