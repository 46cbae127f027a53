import { subscribe } from 'node:diagnostics_channel'
import { channels } from '@countersign/core'

/** The serial numbers of all peers that this process verifies from now on. */
export function countCertificates(): ReadonlySet<unknown> {
  const seen = new Set<unknown>()
  subscribe(channels.authentication, (event) => {
    if (typeof event === 'object' && event !== null && 'serialNumber' in event) seen.add(event.serialNumber)
  })
  return seen
}
