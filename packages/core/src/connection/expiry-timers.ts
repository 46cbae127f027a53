import type { TLSSocket } from 'node:tls'
import { SharedTimer } from './shared-timer.ts'

/** When a certificate is valid; epoch milliseconds, both. */
export interface Validity {
  readonly notBefore: number
  readonly expiresAt: number
}

/** What is called as a peer's certificate comes to its end, in this order. */
export interface ExpiryListeners {
  readonly announce: () => void
  /** Called twice between announcement and end, for what did not end after the announcement. */
  readonly remind?: (isLast: boolean) => void
  readonly expire: () => void
}

interface Watched {
  readonly expiresAt: number
  readonly stop: () => void
}

/**
 * Knows for each open connection when its peer's certificate expires: calls back before and at that moment, and answers
 * for a clock that a timer has not noticed yet.
 */
export class ExpiryTimers {
  readonly #watched = new Map<TLSSocket, Watched>()
  readonly #timer = new SharedTimer()
  // Epoch milliseconds: no certificate expires before.
  #soonest = Infinity

  /**
   * Watches a connection until it closes, in place of an earlier watch. Announces the end a tenth of the certificate's life
   * before it expires, at most 30 seconds. Where that was due before, half of the rest is left: a peer that connects this
   * late could ask nothing otherwise.
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

  /** Whether the certificate of a watched connection is valid at `now`; false for other connections. */
  isValid(socket: TLSSocket, now: number): boolean {
    return now < (this.#watched.get(socket)?.expiresAt ?? 0)
  }

  /** The connections whose certificates have expired at `now`; costs nothing while there are none. */
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

/** Epoch milliseconds: from then on the end of a connection is announced. */
export function announcementOf({ notBefore, expiresAt }: Validity): number {
  return expiresAt - Math.min((expiresAt - notBefore) / 10, longestAnnouncement)
}

const longestAnnouncement = 30_000
