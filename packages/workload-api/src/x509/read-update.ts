import { createMaterial, SourceError, SpiffeId, type X509Material } from '@countersign/spiffe'
import type { X509BundlesMessage, X509SvidEntry, X509SvidsMessage } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'
import { BundleUpdates, type ReadBundles } from './bundle-updates.ts'

/** An SVID from the agent, with the bundles to verify others. */
export interface AgentSvid {
  /** The agent's hint for choosing among several SVIDs; empty if there is none. */
  readonly hint: string
  readonly material: X509Material
}

/** The usable SVIDs of a message, and the errors of the others. */
export interface ReadSvids {
  readonly svids: readonly AgentSvid[]
  readonly errors: readonly unknown[]
}

/**
 * Reads the messages of one stream. Our own part of a message (SVID, key, and the bundle of its trust domain) is
 * accepted as a whole or not at all. The bundle of another trust domain is always accepted: if it cannot be read, that
 * trust domain has no authorities (SPIFFE Workload API §4.4: earlier values are not retained).
 */
export class UpdateReader {
  readonly #updates = new BundleUpdates()

  /**
   * Reads one SVID: the first with this hint, or the first of all (§8).
   *
   * @throws {SourceError} `message_malformed` for a mandatory field with its default value (§4.5), or a SPIFFE ID that
   * differs from the certificate's; `svid_withdrawn` if no SVID has the hint
   * @throws {CertificateError} for an unusable key, certificate or bundle of our own, including an expired or revoked
   * SVID
   * @throws {SpiffeIdError} if our own SPIFFE ID is invalid
   */
  readSvid(message: X509SvidsMessage, hint: string | undefined, now: number = Date.now()): X509Material {
    const entries = listEntries(message)
    const chosen = hint === undefined ? entries[0] : entries.find((entry) => entry.hint === hint)
    if (chosen !== undefined) return this.#readMaterial(chosen, entries, message, now)
    const found = entries.map((entry) => (entry.hint === '' ? 'none' : `'${entry.hint}'`)).join(', ')
    const detail = `the agent has no SVID with the hint '${hint}'; its SVIDs have the hints ${found}`
    throw new SourceError('svid_withdrawn', detail, { value: hint })
  }

  /** Does the decoding for this message ahead of time, in short turns. Returns undefined if there is little to do. */
  prepare({ svids, federatedBundles, crls }: X509SvidsMessage, now: number = Date.now()): Promise<void> | undefined {
    const own = new Map<string, Uint8Array>()
    for (const entry of svids) {
      const name = trustDomainOf(entry)
      if (name !== undefined) own.set(name, entry.bundle)
    }
    return this.#updates.prepare({ encodedById: federatedBundles, crls, own }, now)
  }

  /**
   * Reads every SVID of a message (§5.2.1), each separately.
   *
   * @throws as `readSvid` if none is usable
   */
  readSvids(message: X509SvidsMessage, now: number = Date.now()): ReadSvids {
    const entries = listEntries(message)
    const svids: AgentSvid[] = []
    const errors: unknown[] = []
    for (const entry of entries) {
      try {
        svids.push({ hint: entry.hint, material: this.#readMaterial(entry, entries, message, now) })
      } catch (error) {
        errors.push(error)
      }
    }
    if (svids.length === 0) throw errors[0]
    return { svids, errors }
  }

  /** Reads the bundles of a message without SVIDs (§5.2.2), by trust domain name. */
  readBundles({ bundles, crls }: X509BundlesMessage, now: number = Date.now()): ReadBundles {
    const read = this.#updates.read({ encodedById: bundles, crls, others: [] }, now)
    this.#updates.recordDemands(read.bundles.values())
    return read
  }

  #readMaterial(
    entry: X509SvidEntry,
    entries: readonly X509SvidEntry[],
    { federatedBundles, crls }: X509SvidsMessage,
    now: number,
  ): X509Material {
    const { key, certificates, spiffeId } = entry
    const { trustDomain } = SpiffeId.parse(spiffeId)
    const ofSameDomain = entries.filter((other) => trustDomainOf(other) === trustDomain)
    if (ofSameDomain.some(({ bundle }) => bundle.length === 0)) {
      refuseMessage(`the bundle of ${trustDomain} with one of our SVIDs is empty, expected a value`)
    }
    // Without the bundles of the other SVIDs, one of their revocation lists could be mistaken for ours.
    const others = entries.flatMap((other) => {
      const name = trustDomainOf(other)
      return name === undefined || name === trustDomain ? [] : [[name, other.bundle] as const]
    })
    const own = [trustDomain, entry.bundle] as const
    const { bundles, faults } = this.#updates.read({ encodedById: federatedBundles, crls, own, others }, now)
    const material = createMaterial({ key, cert: certificates, bundles: Object.fromEntries(bundles) }, now)
    const found = material.svid.spiffeId.toString()
    if (found !== spiffeId) refuseMessage(`spiffe_id is ${spiffeId}, but the certificate has ${found}`)
    this.#updates.recordDemands(material.bundles.values())
    return faults.length === 0 ? material : Object.freeze({ ...material, faults })
  }
}

function listEntries({ svids }: X509SvidsMessage): readonly X509SvidEntry[] {
  if (svids.length === 0) refuseMessage('svids: found none, expected at least one')
  for (const [index, { spiffeId, certificates, key }] of svids.entries()) {
    for (const [name, value] of Object.entries({ spiffe_id: spiffeId, x509_svid: certificates, x509_svid_key: key })) {
      if (value.length === 0) refuseMessage(`svids[${index}].${name} is empty, expected a value`)
    }
  }
  // §5.2.1: if several SVIDs have the same hint, the first counts.
  const seen = new Set<string>()
  return svids.filter(({ hint }) => {
    const isFirst = hint === '' || !seen.has(hint)
    seen.add(hint)
    return isFirst
  })
}

function trustDomainOf({ spiffeId }: X509SvidEntry): string | undefined {
  try {
    return SpiffeId.parse(spiffeId).trustDomain
  } catch {
    return undefined
  }
}
