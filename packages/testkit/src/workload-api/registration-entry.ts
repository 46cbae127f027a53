import { ConfigurationError, SpiffeId } from '@countersign/spiffe'
import {
  aNumber,
  aText,
  checkArgument,
  checkOptions,
  isListOf,
  type OptionKind,
  records,
  texts,
} from '../check-options.ts'
import { aKeyType, type KeyType } from '../key.ts'
import type { JwtFault } from '../jwt-faults.ts'
import type { SvidFault } from '../svid-faults.ts'
import { type BundleAuthority, bundleAuthorities } from '../test-source.ts'

/**
 * An SVID that the agent sends to every caller. With SPIRE, a registration entry applies only to matching workloads.
 */
export interface RegistrationEntry {
  /** With a path, in a trust domain of the agent. */
  readonly spiffeId: string
  /**
   * The lifetime of its X.509-SVIDs, at least 1. Default: 3600, as in SPIRE. They are replaced after half of it.
   * Certificates store whole seconds, so one may be valid for up to a second longer. JWT-SVIDs have the same lifetime,
   * but at most 300 seconds.
   */
  readonly ttlSeconds?: number
  /** At most 1024 bytes (SPIFFE Workload API §8). Default: none. */
  readonly hint?: string
  /**
   * The trust domains whose bundles are included. A name of one of the agent's own trust domains follows its rotation;
   * an external authority has an X.509 bundle only. Default: none.
   */
  readonly federatesWith?: readonly (string | BundleAuthority)[]
  /** Default: `P-256`. */
  readonly keyType?: KeyType
  /** Named defects of its certificates. Default: none. */
  readonly faults?: readonly SvidFault[]
  /** Named defects of its JWT-SVIDs. Default: none. */
  readonly jwtFaults?: readonly JwtFault[]
}

/**
 * Copies the entries after checking that the agent can serve them.
 *
 * @throws {SpiffeIdError} if the text is not a SPIFFE ID
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseEntries(
  entries: readonly RegistrationEntry[],
  trustDomains: readonly string[],
): readonly RegistrationEntry[] {
  checkArgument(entries, 'entries', records)
  return entries.map((entry, index) => {
    const where = `entries[${index}]`
    checkOptions(entry, where, entryKinds)
    const { spiffeId, ttlSeconds = 1, hint = '', federatesWith = [] } = entry
    const { trustDomain, path } = SpiffeId.parse(spiffeId)
    if (path === '') throw refuseEntry(`${where}.spiffeId`, spiffeId, 'an ID with a path')
    checkTrustDomain(`${where}.spiffeId`, trustDomain, trustDomains)
    if (!Number.isFinite(ttlSeconds) || ttlSeconds < 1) {
      throw refuseEntry(`${where}.ttlSeconds`, String(ttlSeconds), 'a number of at least 1')
    }
    if (Buffer.byteLength(hint) > 1024)
      throw refuseEntry(`${where}.hint`, `${hint.slice(0, 40)}…`, 'at most 1024 bytes')
    for (const partner of federatesWith) {
      if (typeof partner === 'string') checkTrustDomain(`${where}.federatesWith`, partner, trustDomains)
    }
    return { ...entry, federatesWith: [...federatesWith] }
  })
}

const entryKinds: Readonly<Record<string, OptionKind>> = {
  spiffeId: aText,
  ttlSeconds: aNumber,
  hint: aText,
  federatesWith: [isListOf(isPartner), 'a list of trust domains of the agent, or of authorities'],
  keyType: aKeyType,
  faults: texts,
  jwtFaults: texts,
}

function isPartner(value: unknown): boolean {
  return typeof value === 'string' || bundleAuthorities[0]([value])
}

function checkTrustDomain(where: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  throw refuseEntry(where, name, `one of the agent's trust domains (${known.join(', ')})`)
}

function refuseEntry(where: string, value: string, expected: string): ConfigurationError {
  return new ConfigurationError('option_invalid', `${where}: found '${value}', expected ${expected}`, { value })
}
