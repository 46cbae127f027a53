import { constants } from 'node:http2'
import type { Moments } from './moments.ts'
import type { Connection, EndableExchange, EndableRequest, EndableResponse, PeerRefusal } from './connection.ts'
import type { Proof } from './verdict-cache.ts'

/** How a connection ends with its peer's certificate. */
export interface LifePolicy {
  /** `close` announces the end and then ends the connection; `refuse` leaves it open and ends what runs on it. */
  readonly onExpiry: 'close' | 'refuse'
  /** What waits for the ends of certificates. */
  readonly moments: Moments
  /** Told when the certificate has expired while its connection was open; says so in words. */
  readonly reportExpiry: (connection: Connection, expiresAt: number) => PeerRefusal
  /** Told when `isEnding` of a connection was set, to either value. */
  readonly noteEnding: (connection: Connection) => void
}

/**
 * Sees a verified connection to its end: announced a tenth of the certificate's life before it expires, at most 30
 * seconds, and kept at the second, whatever runs on it. Gives the function that ends the watch.
 */
export function watchLife(connection: Connection, proof: Proof, policy: LifePolicy): () => void {
  const { expiresAt } = proof
  const expire = (): void => endExpired(connection, policy, expiresAt)
  connection.isUnwatched = false
  const { moments } = policy
  if (policy.onExpiry === 'refuse') return moments.callAt(expiresAt, expire)
  const life = { notBefore: proof.leaf.notBefore, expiresAt }
  connection.isEnding = Date.now() >= announcementOf(life)
  policy.noteEnding(connection)
  const announce = (): void => {
    connection.isEnding = true
    policy.noteEnding(connection)
    connection.announce()
  }
  return watchEnd(life, moments, { announce, expire })
}

/** Lets an exchange begin on a connection: its response announces an end that is near. */
export function beginExchange(
  connection: Connection,
  { request, response }: { readonly request: EndableRequest; readonly response: EndableResponse },
  policy: LifePolicy,
): void {
  if (connection.isEnding && connection.session === undefined) response.shouldKeepAlive = false
  if (policy.onExpiry === 'close') return
  rewatchLife(connection, policy)
  const running = connection.running ?? new Set()
  connection.running = running
  const track = (half: EndableExchange, onClose?: () => void): void => {
    running.add(half)
    half.once('close', () => {
      running.delete(half)
      onClose?.()
    })
  }
  // A handler may answer early and read on.
  track(response, () => {
    if (!request.complete && !request.destroyed) track(request)
  })
}

/** Watches a connection again whose certificate had expired by a clock that ran ahead, and holds now that it is set. */
export function rewatchLife(connection: Connection, policy: LifePolicy): void {
  const { isUnwatched, verdict } = connection
  if (!isUnwatched || !verdict.ok || Date.now() >= verdict.proof.expiresAt) return
  connection.stopWatch = watchLife(connection, verdict.proof, policy)
}

/**
 * Announces the end of a certificate's life, and then its end itself. Gives the function that ends the watch. Where the
 * announcement was due before, half of the rest is left: a peer that connects this late could ask nothing otherwise.
 */
export function watchEnd(
  life: Life,
  moments: Moments,
  { announce, expire }: { readonly announce: () => void; readonly expire: () => void },
): () => void {
  const { expiresAt } = life
  const now = Date.now()
  const announceAt = announcementOf(life)
  let stop = moments.callAt(now < announceAt ? announceAt : (now + expiresAt) / 2, () => {
    stop = moments.callAt(expiresAt, expire)
    announce()
  })
  return () => stop()
}

// Epoch milliseconds: from then on the end of a connection is announced.
function announcementOf({ notBefore, expiresAt }: Life): number {
  return expiresAt - Math.min((expiresAt - notBefore) / 10, longestAnnouncement)
}

/** Epoch milliseconds, both. */
interface Life {
  readonly notBefore: number
  readonly expiresAt: number
}

const longestAnnouncement = 30_000

function endExpired(connection: Connection, policy: LifePolicy, expiresAt: number): void {
  if (policy.onExpiry === 'close' || connection.isUpgraded) {
    connection.end(policy.reportExpiry(connection, expiresAt))
    return
  }
  connection.isUnwatched = true
  // Further requests are answered 403, each for itself; what was let in before may not go on for longer.
  const running = connection.running ?? new Set()
  if (running.size === 0) return
  policy.reportExpiry(connection, expiresAt)
  // On HTTP/1 the socket itself: a handler may have taken it from its response.
  if (connection.session === undefined) connection.socket.destroy()
  // On HTTP/2 `destroy` says that all is well, and a response cut short would look complete.
  for (const half of running) half.close?.(constants.NGHTTP2_INTERNAL_ERROR)
}
