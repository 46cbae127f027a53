import type { SpiffeErrorCode } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from './bundle.ts'
import type { BundleFault } from './bundle-fault.ts'
import type { CaBundle } from './ca-bundle.ts'

/** Provides the current X.509 material of this workload, regardless of its origin. */
export interface X509Source<Material = X509Material> {
  /**
   * An immutable snapshot: the same object until something changes.
   *
   * @throws {SourceError} if there is no material, or no longer any
   */
  readonly current: Material
  /**
   * Calls the listener with the new material after each change of content. Returns a function that removes the
   * listener.
   */
  onUpdate(listener: (material: Material) => void): () => void
  /**
   * Calls the listener with every notice of the source. The first notices are delivered immediately: those since the
   * source took its current material. Returns a function that removes the listener.
   *
   * Omit this method only if the source never has a notice. A source that has it must report everything, above all
   * `lost`: a guard that listens no longer reads `current` for each request.
   */
  onNotice?(listener: (notice: SourceNotice) => void): () => void
  /** Stops all activity. Afterwards `current` throws. */
  close(): Promise<void>
  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A source of certificates from a CA without SPIFFE. A guard accepts one only together with `identity`. */
export type SubjectSource = X509Source<SubjectMaterial>

/** A source that reports notices. */
export interface NoticingSource<Material = X509Material> extends X509Source<Material> {
  onNotice(listener: (notice: SourceNotice) => void): () => void
}

/** Something that happened to a source other than new material. */
export interface SourceNotice {
  /**
   * `refused`: an update was invalid and the previous material stays. `lost`: `current` throws from now on.
   * `recovered`: what was refused or lost is valid again. `warning`: the source works, but an operator should look at
   * it.
   */
  readonly outcome: 'refused' | 'lost' | 'recovered' | 'warning'
  /** Epoch milliseconds. */
  readonly at: number
  /** The cause. Absent for `recovered`. */
  readonly code?: SpiffeErrorCode
  /** The trust domain of the bundle that the notice is about, if any. */
  readonly trustDomain?: string
  /** What was found, what was expected and how to fix it. Never a key. */
  readonly detail: string
}

/**
 * What a workload needs to prove its SPIFFE ID and to verify others. A custom source creates it with `createMaterial`,
 * which sets `kind`. A copy must keep `kind`.
 */
export interface X509Material {
  readonly kind: 'spiffe'
  readonly svid: OwnSvid
  /** By trust domain name. A bundle whose content did not change stays the same object in the next material. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** Faults other than those of the bundles. Default none. */
  readonly faults?: readonly BundleFault[]
}

/**
 * What a workload needs to prove itself to peers that trust the same CA, and to verify them. Created by `fileSource`.
 */
export interface SubjectMaterial {
  readonly kind: 'subject'
  readonly certificate: OwnCertificate
  /** The same object in the next material if its content did not change. */
  readonly ca: CaBundle
}

/** A side of a TLS handshake. */
export type HandshakeSide = 'server' | 'client'

/** The certificate of this workload. Only this kind has a private key. */
export interface OwnCertificate {
  readonly serialNumber: string
  /** SHA-256 of the leaf's DER, lower-case hex. */
  readonly sha256: string
  /** Leaf first, then the certificates that a peer needs to reach the authority. */
  readonly certificatePem: string
  /** Epoch milliseconds: the leaf's notBefore. */
  readonly notBefore: number
  /** Epoch milliseconds: when the leaf stops being valid. */
  readonly notAfter: number
  /** Epoch milliseconds: when the first certificate of the path stops being valid. */
  readonly expiresAt: number
  /**
   * The sides of a handshake that the extended key usages of the leaf and its issuers allow (RFC 5280 §4.2.1.12). An
   * SVID allows both.
   */
  readonly sides: readonly HandshakeSide[]
  /** Returns the private key as PKCS#8 PEM. A function, so that logging this object never shows the key. */
  readonly exportPrivateKey: () => string
}

/** The SVID of this workload. */
export interface OwnSvid extends OwnCertificate {
  readonly spiffeId: SpiffeId
}
