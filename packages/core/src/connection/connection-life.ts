import { constants } from 'node:http2'
import type { Moments } from './moments.ts'
import type { Connection, EndableExchange, EndableRequest, EndableResponse, PeerRefusal } from './connection.ts'
import type { Proof } from './verdict-cache.ts'

/** How a connection ends with its peer's certificate. */
export interface LifePolicy {
  /** Both announce the end and cut what runs when it comes. Then `close` closes the connection; `refuse` leaves it open until one more request was denied. */
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
 * seconds, and kept at the second, whatever runs on it. Returns the function that ends the watch.
 */
export function watchLife(connection: Connection, proof: Proof, policy: LifePolicy): () => void {
  const { expiresAt } = proof
  connection.isUnwatched = false
  connection.streams?.keep()
  const life = { notBefore: proof.leaf.notBefore, expiresAt }
  connection.isEnding = Date.now() >= announcementOf(life)
  policy.noteEnding(connection)
  return watchEnd(life, policy.moments, {
    announce: () => {
      connection.isEnding = true
      policy.noteEnding(connection)
      connection.announce()
    },
    // An HTTP/2 session that was never at rest, or never without streams.
    remind: (isLast) => (isLast ? connection.streams?.close() : connection.streams?.drain('at once')),
    expire: () => endExpired(connection, policy, expiresAt),
  })
}

/** Lets an exchange begin on a connection: its response announces an end that is near, or that has come. */
export function beginExchange(
  connection: Connection,
  { request, response }: { readonly request: EndableRequest; readonly response: EndableResponse },
  policy: LifePolicy,
): void {
  const isRefusing = policy.onExpiry === 'refuse'
  if (isRefusing) rewatchLife(connection, policy)
  const isLast = connection.isEnding || (isRefusing && hasExpired(connection))
  if (isLast && connection.streams === undefined) response.shouldKeepAlive = false
  if (!isRefusing) return
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
  if (!isUnwatched || !verdict.ok || hasExpired(connection)) return
  connection.stopWatch = watchLife(connection, verdict.proof, policy)
}

function hasExpired({ verdict }: Connection): boolean {
  return verdict.ok && Date.now() >= verdict.proof.expiresAt
}

/** What is called as a certificate comes to its end, in this order. */
export interface EndListeners {
  readonly announce: () => void
  /** Called twice between announcement and end, for what did not end after the announcement. */
  readonly remind?: (isLast: boolean) => void
  readonly expire: () => void
}

/**
 * Announces the end of a certificate's life, and then its end itself. Returns the function that ends the watch. Where the
 * announcement was due before, half of the rest is left: a peer that connects this late could ask nothing otherwise.
 */
export function watchEnd(
  life: Life,
  moments: Moments,
  { announce, remind = () => undefined, expire }: EndListeners,
): () => void {
  const { expiresAt } = life
  const now = Date.now()
  const due = announcementOf(life)
  const announceAt = now < due ? due : (now + expiresAt) / 2
  const announced = expiresAt - announceAt
  const steps: readonly (readonly [moment: number, call: () => void])[] = [
    [announceAt, announce],
    [expiresAt - announced / 3, () => remind(false)],
    [expiresAt - announced / 6, () => remind(true)],
    [expiresAt, expire],
  ]
  let stop: (() => void) | undefined
  const wait = (index: number): void => {
    const step = steps[index]
    if (step === undefined) return
    const [moment, call] = step
    stop = moments.callAt(moment, () => {
      wait(index + 1)
      call()
    })
  }
  wait(0)
  return () => stop?.()
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
  // One further request is answered 403, and the connection closes with it; what was let in before may not go on.
  const running = connection.running ?? new Set()
  if (running.size === 0) return
  policy.reportExpiry(connection, expiresAt)
  // On HTTP/1 the socket itself: a handler may have taken it from its response.
  if (connection.streams === undefined) connection.socket.destroy()
  // On HTTP/2 `destroy` says that all is well, and a response cut short would look complete.
  for (const half of running) half.close?.(constants.NGHTTP2_INTERNAL_ERROR)
}
