import type { NoticingSource } from '@countersign/spiffe'
import type { SourceNotice, X509Material } from '@countersign/core'

/** The next notice, or the first with this code; an earlier one counts. */
export function nextNotice(source: NoticingSource, code?: string): Promise<SourceNotice> {
  return new Promise((resolve) => {
    source.onNotice((notice) => {
      if (code === undefined || notice.code === code) resolve(notice)
    })
  })
}

/** The next new notice with this outcome. */
export async function nextOutcome(source: NoticingSource, outcome: SourceNotice['outcome']): Promise<SourceNotice> {
  return new Promise((resolve) => {
    let isStanding = true
    source.onNotice((notice) => {
      if (!isStanding && notice.outcome === outcome) resolve(notice)
    })
    isStanding = false
  })
}

/** The source's content after its next change. */
export function nextUpdate(source: NoticingSource): Promise<X509Material> {
  return new Promise((resolve) => {
    const stop = source.onUpdate((material) => {
      stop()
      resolve(material)
    })
  })
}

/** Polls. */
export async function waitUntil(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await pause(10)
}

/** For what must not happen: the time in which it would. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
