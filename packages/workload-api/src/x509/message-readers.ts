import { CountersignError, FaultNotices, type X509Bundle } from '@countersign/spiffe'
import { parseX509Bundles, parseX509Svids } from '../wire/messages.ts'
import type { ReadBundles } from './bundle-updates.ts'
import { type AgentSvid, UpdateReader } from './read-update.ts'

/**
 * Creates a function that reads the messages of one stream of SVIDs and reports the parts that it omits. The function
 * throws if no SVID of a message is usable.
 */
export function createSvidsReader(
  onError: (error: unknown) => void = ignore,
): (value: unknown) => readonly AgentSvid[] {
  const reader = new UpdateReader()
  const notices = new FaultNotices()
  return (value) => {
    const { svids, errors } = reader.readSvids(parseX509Svids(value))
    errors.forEach(onError)
    const bundles = new Map(svids.flatMap(({ material }) => [...material.bundles]))
    const faults = svids.flatMap(({ material }) => material.faults ?? [])
    reportFaults(notices, { bundles, faults }, onError)
    return svids
  }
}

/** Creates a function that reads the messages of one stream of bundles and reports the parts that it omits. */
export function createBundlesReader(
  onError: (error: unknown) => void = ignore,
): (value: unknown) => ReadonlyMap<string, X509Bundle> {
  const reader = new UpdateReader()
  const notices = new FaultNotices()
  return (value) => {
    const read = reader.readBundles(parseX509Bundles(value))
    reportFaults(notices, read, onError)
    return read.bundles
  }
}

function reportFaults(notices: FaultNotices, read: ReadBundles, onError: (error: unknown) => void): void {
  for (const { code, detail, trustDomain } of notices.take(read, Date.now())) {
    onError(new CountersignError(code, detail, { value: trustDomain }))
  }
}

function ignore(): void {}
