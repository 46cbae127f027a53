import { createMaterial, SourceError, SpiffeId, type X509Material } from '@countersign/spiffe'
import type { X509BundlesMessage, X509SvidEntry, X509SvidsMessage } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'
import { BundleUpdates, type ReadBundles } from './bundle-updates.ts'

/** An SVID that the agent gives us, with what it is to be verified against. */
export interface AgentSvid {
  /** What the agent calls it, for choosing among several; empty where it calls it nothing. */
  readonly hint: string
  readonly material: X509Material
}

/** The SVIDs of a message that can be used, and why the others cannot. */
export interface ReadSvids {
  readonly svids: readonly AgentSvid[]
  readonly errors: readonly unknown[]
}

/**
 * Reads the messages of one stream. Our own part of a message (SVID, key, and the bundle of its trust domain) is taken as
 * a whole or not at all. The bundle of another trust domain is taken as it is: if it cannot be read, that trust domain has
 * no authority (SPIFFE Workload API §4.4: earlier values are not retained).
 */
export class UpdateReader {
  readonly #updates = new BundleUpdates()

  /**
   * Reads the one SVID that was asked for: the first with this hint, or the first of all (§8).
   *
   * @throws {SourceError} `message_malformed` for a mandatory field at its default (§4.5), or a SPIFFE ID that is not the
   * certificate's; `svid_withdrawn` when no SVID has the hint
   * @throws {CertificateError} for a key, certificate or bundle of our own that cannot be used, an expired or revoked SVID
   * included
   * @throws {SpiffeIdError} for a SPIFFE ID of our own that is none
   */
  readSvid(message: X509SvidsMessage, hint: string | undefined, now: number = Date.now()): X509Material {
    const entries = listEntries(message)
    const chosen = hint === undefined ? entries[0] : entries.find((entry) => entry.hint === hint)
    if (chosen !== undefined) return this.#readMaterial(chosen, entries, message, now)
    const found = entries.map((entry) => (entry.hint === '' ? 'none' : `'${entry.hint}'`)).join(', ')
    const detail = `the agent gives no SVID with the hint '${hint}': found the hints ${found}`
    throw new SourceError('svid_withdrawn', detail, { value: hint })
  }

  /** Decodes in turns what reading this message would decode at once; undefined where there is little of it. */
  prepare({ svids, federatedBundles, crls }: X509SvidsMessage, now: number = Date.now()): Promise<void> | undefined {
    const own = new Map<string, Uint8Array>()
    for (const entry of svids) {
      const name = trustDomainOf(entry)
      if (name !== undefined) own.set(name, entry.bundle)
    }
    return this.#updates.prepare({ encodedById: federatedBundles, crls, own }, now)
  }

  /**
   * Reads every SVID of a message (§5.2.1), each by itself.
   *
   * @throws as `readSvid` when none can be used
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

  /** Reads the bundles of a message without SVIDs (§5.2.2), by the name of the trust domain. */
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
      refuseMessage(`the bundle of ${trustDomain} beside an SVID of ours is empty, expected a value`)
    }
    // Without the bundles of the other SVIDs, a revocation list of theirs could be taken for one of ours.
    const others = entries.flatMap((other) => {
      const name = trustDomainOf(other)
      return name === undefined || name === trustDomain ? [] : [[name, other.bundle] as const]
    })
    const own = [trustDomain, entry.bundle] as const
    const { bundles, faults } = this.#updates.read({ encodedById: federatedBundles, crls, own, others }, now)
    const material = createMaterial({ key, cert: certificates, bundles: Object.fromEntries(bundles) }, now)
    const found = material.svid.spiffeId.toString()
    if (found !== spiffeId) refuseMessage(`spiffe_id is ${spiffeId}, and the certificate's is ${found}`)
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
  // §5.2.1: of several with one hint the first counts.
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
