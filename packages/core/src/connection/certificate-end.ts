import type { Moments } from './moments.ts'

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

/** Epoch milliseconds: from then on the end of a connection is announced. */
export function announcementOf({ notBefore, expiresAt }: Life): number {
  return expiresAt - Math.min((expiresAt - notBefore) / 10, longestAnnouncement)
}

/** Epoch milliseconds, both. */
export interface Life {
  readonly notBefore: number
  readonly expiresAt: number
}

const longestAnnouncement = 30_000
