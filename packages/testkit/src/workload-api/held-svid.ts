import type { Authority } from '../authority.ts'
import type { SvidFault } from '../svid-faults.ts'
import type { TestSvid } from '../svid.ts'
import type { RegistrationEntry } from './registration-entry.ts'

/** An SVID that the agent currently issues, and when it is renewed. */
export interface HeldSvid {
  readonly entry: RegistrationEntry
  readonly svid: TestSvid
  /** Epoch milliseconds: half of its lifetime. */
  readonly renewAt: number
}

/** Returns the lifetime of an entry's X.509-SVIDs, in seconds. */
export function ttlOf(entry: RegistrationEntry): number {
  return entry.ttlSeconds ?? 3600
}

/** Issues the SVID of an entry, with its faults and these. */
export async function issueHeldSvid(
  entry: RegistrationEntry,
  authority: Authority,
  faults: readonly SvidFault[] = [],
): Promise<HeldSvid> {
  const now = Date.now()
  const ttl = ttlOf(entry) * 1000
  // notAfter has no fractions of a second, which would leave almost nothing of a one-second lifetime.
  const notAfter = Math.ceil((now + ttl) / 1000) * 1000
  const svid = await authority.issue(entry.spiffeId, {
    now,
    ttlSeconds: (notAfter - now) / 1000,
    ...(entry.keyType && { keyType: entry.keyType }),
    faults: [...(entry.faults ?? []), ...faults],
  })
  return { entry, svid, renewAt: now + ttl / 2 }
}
