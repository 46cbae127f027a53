import type { TLSSocket } from 'node:tls'
import { SharedTimer } from './shared-timer.ts'

/** When a certificate is valid, in epoch milliseconds. */
export interface Validity {
  readonly notBefore: number
  readonly expiresAt: number
}

/** Callbacks for an approaching expiry, in the order in which they are called. */
export interface ExpiryListeners {
  readonly announce: () => void
  /** Called twice between the announcement and expiry, for connections that have not closed since the announcement. */
  readonly remind?: (isLast: boolean) => void
  readonly expire: () => void
}

interface Watched {
  readonly expiresAt: number
  readonly stop: () => void
}

/**
 * Tracks when the peer certificate of each open connection expires, and calls back before and at expiry. It also
 * compares with the current clock, for clock changes that a timer has not noticed yet.
 */
export class ExpiryTimers {
  readonly #watched = new Map<TLSSocket, Watched>()
  readonly #timer = new SharedTimer()
  // Epoch milliseconds: no watched certificate expires before this.
  #soonest = Infinity

  /**
   * Watches a connection until it closes, and replaces an earlier watch. Announces the close before expiry by a tenth
   * of the certificate's lifetime, at most 30 seconds. If that time has already passed, waits for half of the time that
   * remains, so that a peer that connects late can still send a request.
   */
  watch(socket: TLSSocket, validity: Validity, listeners: ExpiryListeners): void {
    if (socket.closed) return
    const { expiresAt } = validity
    const before = this.#watched.get(socket)
    if (before === undefined) socket.once('close', () => this.#forget(socket))
    else before.stop()
    this.#watched.set(socket, { expiresAt, stop: this.#schedule(validity, listeners) })
    this.#soonest = Math.min(this.#soonest, expiresAt)
  }

  /**
   * Returns whether the certificate of a watched connection is valid at `now` (epoch milliseconds). False for other
   * connections.
   */
  isValid(socket: TLSSocket, now: number): boolean {
    return now < (this.#watched.get(socket)?.expiresAt ?? 0)
  }

  /**
   * Returns the connections whose certificates have expired at `now` (epoch milliseconds). Costs almost nothing while
   * there are none.
   */
  listExpired(now: number): readonly TLSSocket[] {
    if (now < this.#soonest) return none
    const watched = [...this.#watched]
    this.#soonest = Math.min(...watched.map(([, { expiresAt }]) => expiresAt).filter((end) => end > now))
    return watched.filter(([, { expiresAt }]) => expiresAt <= now).map(([socket]) => socket)
  }

  #forget(socket: TLSSocket): void {
    this.#watched.get(socket)?.stop()
    this.#watched.delete(socket)
  }

  #schedule(validity: Validity, { announce, remind = () => undefined, expire }: ExpiryListeners): () => void {
    const { expiresAt } = validity
    const now = Date.now()
    const due = announcementOf(validity)
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
      stop = this.#timer.callAt(moment, () => {
        wait(index + 1)
        call()
      })
    }
    wait(0)
    return () => stop?.()
  }
}

const none: readonly TLSSocket[] = Object.freeze([])

/** Returns when to announce the close of a connection, in epoch milliseconds. */
export function announcementOf({ notBefore, expiresAt }: Validity): number {
  return expiresAt - Math.min((expiresAt - notBefore) / 10, longestAnnouncement)
}

const longestAnnouncement = 30_000
