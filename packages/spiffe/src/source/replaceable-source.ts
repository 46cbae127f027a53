import { ConfigurationError, type SourceError } from '../errors.ts'
import { describeValue, isRecord } from '../options.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import type { BundleFault } from '../trust/bundle-fault.ts'
import type {
  NoticingSource,
  OwnCertificate,
  SourceNotice,
  SubjectMaterial,
  X509Material,
} from '../trust/x509-source.ts'
import { HeldMaterial } from './held-material.ts'

/** A source whose owner can replace its material. The basis of every source that updates itself. */
export interface ReplaceableSource<Material = X509Material> extends NoticingSource<Material> {
  /**
   * Replaces the material and notifies the listeners, unless nothing changed. Bundles with equal content stay the same
   * objects. Does nothing after the source is closed, because an update may still be in progress then.
   */
  replace(material: Material): void
  /** Removes the material: `current` throws this error until the next `replace` or `close`. */
  withdraw(error: SourceError): void
  /** Notifies the listeners of something that does not change the material. */
  notify(notice: Omit<SourceNotice, 'at'>): void
}

/**
 * Creates a source that holds this material until its owner replaces or withdraws it. `current` throws once the SVID
 * has expired. Without material, it throws until the first `replace`.
 */
export function createReplaceableSource(material?: X509Material): ReplaceableSource {
  return new HeldMaterial(material, { check: checkMaterial, certificateOf: ({ svid }) => svid, keepUnchanged })
}

/** Creates the same kind of source for certificates of a CA without SPIFFE. */
export function createReplaceableSubjectSource(material: SubjectMaterial): ReplaceableSource<SubjectMaterial> {
  return new HeldMaterial(material, {
    check: checkSubjectMaterial,
    certificateOf: ({ certificate }) => certificate,
    keepUnchanged: keepUnchangedSubject,
  })
}

function checkMaterial(material: unknown): void {
  if (
    isRecord(material) &&
    material['kind'] === 'spiffe' &&
    isRecord(material['svid']) &&
    material['bundles'] instanceof Map
  )
    return
  refuse(material, 'what createMaterial() returns')
}

function checkSubjectMaterial(material: unknown): void {
  const isSubject = isRecord(material) && material['kind'] === 'subject'
  if (isSubject && isRecord(material['certificate']) && isRecord(material['ca'])) return
  refuse(material, 'the certificate and the CA of a service without SPIFFE')
}

function refuse(found: unknown, expected: string): never {
  throw new ConfigurationError('option_invalid', `material: found ${describeValue(found)}, expected ${expected}`)
}

function keepUnchanged(last: X509Material, next: X509Material): X509Material {
  const bundles = new Map<string, X509Bundle>()
  for (const [trustDomain, bundle] of next.bundles) {
    const held = last.bundles.get(trustDomain)
    bundles.set(trustDomain, held !== undefined && isSameBundle(held, bundle) ? held : bundle)
  }
  const isSameChain = isSame(last.svid, next.svid)
  const areSameBundles =
    bundles.size === last.bundles.size && [...bundles].every(([name, bundle]) => last.bundles.get(name) === bundle)
  if (isSameChain && areSameBundles && areSameFaults(last.faults, next.faults)) return last
  return Object.freeze({ ...next, svid: isSameChain ? last.svid : next.svid, bundles })
}

function keepUnchangedSubject(last: SubjectMaterial, next: SubjectMaterial): SubjectMaterial {
  const isSameChain = isSame(last.certificate, next.certificate)
  const isSameCa = isSameBundle(last.ca, next.ca)
  if (isSameChain && isSameCa) return last
  return Object.freeze({
    kind: 'subject',
    certificate: isSameChain ? last.certificate : next.certificate,
    ca: isSameCa ? last.ca : next.ca,
  })
}

function isSameBundle<Bundle extends Pick<X509Bundle, 'fingerprint' | 'faults'>>(last: Bundle, next: Bundle): boolean {
  return last.fingerprint === next.fingerprint && areSameFaults(last.faults, next.faults)
}

function areSameFaults(last: readonly BundleFault[] = [], next: readonly BundleFault[] = []): boolean {
  return last.length === next.length && last.every(({ detail }, index) => detail === next[index]?.detail)
}

// The same chain may expire at another time under other authorities.
function isSame(last: OwnCertificate, next: OwnCertificate): boolean {
  return last.certificatePem === next.certificatePem && last.expiresAt === next.expiresAt
}
