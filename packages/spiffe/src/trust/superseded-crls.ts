import type { CrlOrigin } from '../certificate/crl.ts'
import type { PublishedCrl } from './published-crl.ts'

/** When a list is current, in epoch milliseconds. A date that cannot be read is absent. */
type CrlDates = Pick<CrlOrigin, 'thisUpdate' | 'nextUpdate'>

/** Returns true if a list is no longer current. False if its dates cannot be read. */
export function isExpired({ nextUpdate }: CrlDates, now: number): boolean {
  return nextUpdate !== undefined && nextUpdate <= now
}

/**
 * Returns a function that recognizes the superseded lists among lists of one key: those that have expired and are older
 * than another one in effect. Old lists are public, so other trust domains can publish them again.
 */
export function findSuperseded(lists: Iterable<CrlDates>, now: number): (list: CrlDates) => boolean {
  let newest = -Infinity
  for (const { thisUpdate = -Infinity } of lists) if (thisUpdate <= now) newest = Math.max(newest, thisUpdate)
  return (list) => isExpired(list, now) && list.thisUpdate !== undefined && list.thisUpdate < newest
}

/**
 * Returns the lists of one key without superseded ones, and one of those with equal content. An ECDSA signature can be
 * changed into another valid one without the key. All signatures must have been verified: otherwise an invalid list
 * could displace a valid one.
 */
export function withoutSuperseded(lists: readonly PublishedCrl[], now: number): readonly PublishedCrl[] {
  const isSuperseded = findSuperseded(
    lists.map(({ origin = {} }) => origin),
    now,
  )
  const remaining = lists.filter(({ origin = {} }) => !isSuperseded(origin))
  return [...new Map(remaining.map((list) => [list.contentSha256, list])).values()]
}
