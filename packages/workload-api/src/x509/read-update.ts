import {
  applyCrls,
  createMaterial,
  parseTrustDomain,
  SourceError,
  SpiffeId,
  X509Bundle,
  type X509Material,
} from '@countersign/core'
import type { X509SvidEntry, X509SvidsMessage } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'

/** An SVID that the agent gives us, with what it is to be verified against. */
export interface AgentSvid {
  /** What the agent calls it, for choosing among several; empty where it calls it nothing. */
  readonly hint: string
  readonly material: X509Material
}

/**
 * Reads every SVID of a message (SPIFFE Workload API §5.2.1). It is taken as a whole or not at all.
 *
 * @param demanded trust domains that have supplied a revocation list before
 * @throws {SourceError} `message_malformed` for a mandatory field at its default (§4.5), or a SPIFFE ID that is not the
 * certificate's
 * @throws {CertificateError} for a key, certificate, bundle or revocation list that cannot be used, an expired or revoked
 * SVID included
 * @throws {SpiffeIdError} for a trust domain that is none
 */
export function readSvids(
  message: X509SvidsMessage,
  demanded: ReadonlySet<string> = new Set(),
  now: number = Date.now(),
): readonly AgentSvid[] {
  const offer = readOffer(message, demanded)
  return offer.entries.map((entry) => ({ hint: entry.hint, material: readMaterial(entry, offer, now) }))
}

/**
 * Reads the one SVID that was asked for: the first with this hint, or the first of all (§8). Of the others only the
 * mandatory fields are looked at, and the bundles to know whose revocation lists there are.
 *
 * @throws as `readSvids`, and {SourceError} `svid_withdrawn` when no SVID has the hint
 */
export function readSvid(
  message: X509SvidsMessage,
  { hint, demanded }: Wanted,
  now: number = Date.now(),
): X509Material {
  const offer = readOffer(message, demanded)
  const chosen = hint === undefined ? offer.entries[0] : offer.entries.find((entry) => entry.hint === hint)
  if (chosen !== undefined) return readMaterial(chosen, offer, now)
  const found = offer.entries.map((entry) => (entry.hint === '' ? 'none' : `'${entry.hint}'`)).join(', ')
  const detail = `the agent gives no SVID with the hint '${hint}': found the hints ${found}`
  throw new SourceError('svid_withdrawn', detail, { value: hint })
}

/**
 * Reads bundles by the SPIFFE ID of their trust domain.
 *
 * @throws as `readSvids`
 */
export function readFederated(bytesById: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, X509Bundle> {
  const bundles = new Map<string, X509Bundle>()
  for (const [id, bytes] of bytesById) {
    const trustDomain = parseTrustDomain(id)
    if (bytes.length === 0) refuseMessage(`the bundle of ${trustDomain} is empty, expected authorities`)
    if (bundles.has(trustDomain)) refuseMessage(`found two bundles of ${trustDomain}, expected one`)
    bundles.set(trustDomain, X509Bundle.parse(trustDomain, bytes))
  }
  return bundles
}

/** Notes the trust domains that have supplied a revocation list: from the next message on each must have a current one. */
export function noteDemands(demanded: Set<string>, bundles: ReadonlyMap<string, X509Bundle>): void {
  for (const { trustDomain, requiresCrl } of bundles.values()) {
    if (requiresCrl) demanded.add(trustDomain)
  }
}

/** What a source wants of a message. */
interface Wanted {
  readonly hint: string | undefined
  /** Trust domains that have supplied a revocation list before. */
  readonly demanded: ReadonlySet<string>
}

/** What every SVID of a message has in common. */
interface Offer {
  readonly entries: readonly X509SvidEntry[]
  readonly federated: ReadonlyMap<string, X509Bundle>
  readonly crls: readonly Uint8Array[]
  readonly demanded: ReadonlySet<string>
}

function readOffer(message: X509SvidsMessage, demanded: ReadonlySet<string>): Offer {
  const { federatedBundles, crls } = message
  return { entries: listSvids(message), federated: readFederated(federatedBundles), crls, demanded }
}

function listSvids({ svids }: X509SvidsMessage): readonly X509SvidEntry[] {
  if (svids.length === 0) refuseMessage('svids: found none, expected at least one')
  for (const [index, { spiffeId, certificates, key, bundle }] of svids.entries()) {
    const fields = { spiffe_id: spiffeId, x509_svid: certificates, x509_svid_key: key, bundle }
    for (const [name, value] of Object.entries(fields)) {
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

function readMaterial(entry: X509SvidEntry, offer: Offer, now: number): X509Material {
  const bundles = readBundles(entry, offer)
  const { key, certificates, spiffeId } = entry
  const material = createMaterial({ key, cert: certificates, bundles: Object.fromEntries(bundles) }, now)
  const found = material.svid.spiffeId.toString()
  if (found !== spiffeId) refuseMessage(`spiffe_id is ${spiffeId}, and the certificate's is ${found}`)
  return material
}

function readBundles(
  { spiffeId, bundle }: X509SvidEntry,
  { entries, federated, crls, demanded }: Offer,
): ReadonlyMap<string, X509Bundle> {
  const { trustDomain } = SpiffeId.parse(spiffeId)
  const bundles = new Map([...federated, [trustDomain, X509Bundle.parse(trustDomain, bundle)]])
  const all = new Map(bundles)
  // Without the bundles of the other SVIDs a list of theirs could be taken for one of ours.
  for (const other of crls.length === 0 ? [] : entries) {
    const name = SpiffeId.parse(other.spiffeId).trustDomain
    if (!all.has(name)) all.set(name, X509Bundle.parse(name, other.bundle))
  }
  return new Map([...applyCrls(all, crls, demanded)].filter(([name]) => bundles.has(name)))
}
