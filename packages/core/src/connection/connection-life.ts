import { callAt } from './long-timer.ts'
import type { Connection, EndableResponse, EndableSession } from './connection.ts'
import type { Proof } from './verdict-cache.ts'

/** How a connection ends with its peer's certificate. */
export interface LifePolicy {
  /** `close` announces the end and then ends the connection; `refuse` leaves it open and ends what runs on it. */
  readonly onExpiry: 'close' | 'refuse'
  /** Told when the certificate has expired while its connection was open. */
  readonly reportExpiry: (connection: Connection, expiresAt: number) => void
}

/**
 * Sees a verified connection to its end: announced a tenth of the certificate's life before it expires, at most 30
 * seconds, and kept at the second, whatever runs on it. Gives the function that ends the watch.
 */
export function watchLife(connection: Connection, proof: Proof, policy: LifePolicy): () => void {
  const expire = (): void => endExpired(connection, policy, proof.expiresAt)
  if (policy.onExpiry === 'refuse') return callAt(proof.expiresAt, expire)
  let stop = callAt(announcementOf(proof), () => {
    connection.isEnding = true
    if (connection.session !== undefined) announceEnd(connection.session, proof)
    stop = callAt(proof.expiresAt, expire)
  })
  return () => stop()
}

/** Lets a request begin on a connection: its response announces an end that is near. */
export function beginResponse(connection: Connection, response: EndableResponse, policy: LifePolicy): void {
  if (connection.isEnding && connection.verdict.ok) {
    if (connection.session === undefined) response.shouldKeepAlive = false
    else announceEnd(connection.session, connection.verdict.proof)
  }
  if (policy.onExpiry === 'refuse') {
    const running = connection.running ?? new Set()
    connection.running = running.add(response)
    response.once('close', () => running.delete(response))
  }
}

/** Epoch milliseconds: from then on the end of a connection is announced. */
export function announcementOf({ leaf, expiresAt }: Proof): number {
  return expiresAt - Math.min((expiresAt - leaf.notBefore) / 10, longestAnnouncement)
}

const longestAnnouncement = 30_000

// RFC 9113 §6.8: a first GOAWAY that names no stream lets requests that are on their way arrive, and the second, sent
// by `close`, comes when they have.
function announceEnd(session: EndableSession, { expiresAt }: Proof): void {
  if (session.closed || session.destroyed || announced.has(session)) return
  announced.add(session)
  session.goaway(0, 2 ** 31 - 1)
  const grace = Math.min(1000, (expiresAt - Date.now()) / 2)
  const close = (): void => {
    if (!session.closed && !session.destroyed) session.close()
  }
  setTimeout(close, Math.max(0, grace)).unref()
}

const announced = new WeakSet<EndableSession>()

function endExpired(connection: Connection, policy: LifePolicy, expiresAt: number): void {
  if (policy.onExpiry === 'close' || connection.isUpgraded) {
    policy.reportExpiry(connection, expiresAt)
    connection.socket.destroy()
    return
  }
  // Further requests are answered 403, each for itself; what was let in before may not go on for longer.
  const running = connection.running ?? new Set()
  if (running.size > 0) policy.reportExpiry(connection, expiresAt)
  for (const response of running) response.destroy()
}
