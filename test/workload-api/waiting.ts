import type { NoticingSource } from '@countersign/spiffe'
import type { SourceNotice, X509Material } from '@countersign/core'

/** The next notice, or the first of this code; one that the source has told already counts. */
export function nextNotice(source: NoticingSource, code?: string): Promise<SourceNotice> {
  return new Promise((resolve) => {
    source.onNotice((notice) => {
      if (code === undefined || notice.code === code) resolve(notice)
    })
  })
}

/** The next notice with this outcome that was not told before now. */
export async function nextOutcome(source: NoticingSource, outcome: SourceNotice['outcome']): Promise<SourceNotice> {
  return new Promise((resolve) => {
    let isStanding = true
    source.onNotice((notice) => {
      if (!isStanding && notice.outcome === outcome) resolve(notice)
    })
    isStanding = false
  })
}

/** What the source holds after its next change. */
export function nextUpdate(source: NoticingSource): Promise<X509Material> {
  return new Promise((resolve) => {
    const stop = source.onUpdate((material) => {
      stop()
      resolve(material)
    })
  })
}

/** Looks again and again. */
export async function waitUntil(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await pause(10)
}

/** For what must not happen: time in which it would. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
