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

/**
 * Tracks when the peer certificate of each open connection expires, and calls back before and at expiry. It also
 * compares with the current clock, for clock changes that a timer has not noticed yet.
 */
export class ExpiryTimers {
  readonly #watched = new Map<TLSSocket, Countdown>()
  readonly #timer = new SharedTimer()
  // Epoch milliseconds: no watched certificate expires before this.
  #soonest = Infinity

  /**
   * Watches a connection until it is forgotten, and replaces an earlier watch. Announces the close before expiry by a
   * tenth of the certificate's lifetime, at most 30 seconds. If that time has already passed, waits for half of the
   * time that remains, so that a peer that connects late can still send a request.
   */
  watch(socket: TLSSocket, validity: Validity, listeners: ExpiryListeners): void {
    if (socket.closed) return
    this.#watched.get(socket)?.stop()
    this.#watched.set(socket, new Countdown(this.#timer, validity, listeners))
    this.#soonest = Math.min(this.#soonest, validity.expiresAt)
  }

  /** Stops watching a connection. Call it when the connection has closed. */
  forget(socket: TLSSocket): void {
    this.#watched.get(socket)?.stop()
    this.#watched.delete(socket)
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
}

/**
 * Calls the listeners of one connection, one after the other. Most connections close before the first call, so each
 * step is scheduled only when the previous one is due.
 */
class Countdown {
  readonly expiresAt: number
  readonly #timer: SharedTimer
  readonly #listeners: ExpiryListeners
  readonly #announceAt: number
  #stop: () => void

  constructor(timer: SharedTimer, validity: Validity, listeners: ExpiryListeners) {
    const now = Date.now()
    const due = announcementOf(validity)
    this.expiresAt = validity.expiresAt
    this.#timer = timer
    this.#listeners = listeners
    this.#announceAt = now < due ? due : (now + validity.expiresAt) / 2
    this.#stop = timer.callAt(this.#announceAt, () => this.#announce())
  }

  stop(): void {
    this.#stop()
  }

  #announce(): void {
    const { expiresAt } = this
    const { announce, remind = () => undefined, expire } = this.#listeners
    const announced = expiresAt - this.#announceAt
    this.#follow([
      [expiresAt - announced / 3, () => remind(false)],
      [expiresAt - announced / 6, () => remind(true)],
      [expiresAt, expire],
    ])
    announce()
  }

  #follow([step, ...later]: readonly Step[]): void {
    if (step === undefined) return
    const [moment, call] = step
    this.#stop = this.#timer.callAt(moment, () => {
      this.#follow(later)
      call()
    })
  }
}

type Step = readonly [moment: number, call: () => void]

const none: readonly TLSSocket[] = Object.freeze([])

/** Returns when to announce the close of a connection, in epoch milliseconds. */
export function announcementOf({ notBefore, expiresAt }: Validity): number {
  return expiresAt - Math.min((expiresAt - notBefore) / 10, longestAnnouncement)
}

const longestAnnouncement = 30_000
