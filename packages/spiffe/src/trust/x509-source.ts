import type { SpiffeErrorCode } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from './bundle.ts'
import type { BundleFault } from './bundle-fault.ts'
import type { CaBundle } from './ca-bundle.ts'

/** Has the current X.509 material of this workload, wherever it comes from. */
export interface X509Source<Material = X509Material> {
  /**
   * An immutable snapshot: the same object until something changes.
   *
   * @throws {SourceError} when there is none (any more)
   */
  readonly current: Material
  /** Calls the listener after each change of content, with the new material; gives the function that ends it. */
  onUpdate(listener: (material: Material) => void): () => void
  /**
   * Calls the listener with everything that the source has to say besides new material; first, at once, with what it
   * said since it took the material that it holds. A source that never has anything to say may leave it out. One that has
   * it has to tell of everything, above all `lost`: a guard that follows it does not ask `current` for each request any
   * more. Gives the function that ends it.
   */
  onNotice?(listener: (notice: SourceNotice) => void): () => void
  /** Ends all activity; afterwards `current` throws. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A source of certificates of a CA without SPIFFE. A guard takes one together with `identity` only. */
export type SubjectSource = X509Source<SubjectMaterial>

/** A source that does have something to say besides new material. */
export interface NoticingSource<Material = X509Material> extends X509Source<Material> {
  onNotice(listener: (notice: SourceNotice) => void): () => void
}

/** What happened to a source that is no new material. */
export interface SourceNotice {
  /** `refused`: an update was bad and what was there stays; `lost`: `current` throws from now on; `recovered`: what was refused or lost is good again; `warning`: it works, but somebody should look. */
  readonly outcome: 'refused' | 'lost' | 'recovered' | 'warning'
  /** Epoch milliseconds. */
  readonly at: number
  /** Why, but for what has recovered. */
  readonly code?: SpiffeErrorCode
  /** Whose bundle it is about, where it is about one. */
  readonly trustDomain?: string
  /** What was found, what was expected and what to do; never a key. */
  readonly detail: string
}

/**
 * What a workload needs to prove its SPIFFE ID and to verify others. A source of your own makes it with
 * `createMaterial`, which sets `kind`; a copy has to keep it.
 */
export interface X509Material {
  readonly kind: 'spiffe'
  readonly svid: OwnSvid
  /** By trust domain name. A bundle whose content did not change stays the same object from one material to the next. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
  /** What is wrong with the material besides the faults of its bundles. Default nothing. */
  readonly faults?: readonly BundleFault[]
}

/** What a workload needs to prove itself to others that trust the same CA, and to verify them; made by `fileSource`. */
export interface SubjectMaterial {
  readonly kind: 'subject'
  readonly certificate: OwnCertificate
  /** The same object from one material to the next while its content does not change. */
  readonly ca: CaBundle
}

/** A side of a TLS handshake. */
export type HandshakeSide = 'server' | 'client'

/** The certificate of this workload: the one kind that comes with a private key. */
export interface OwnCertificate {
  readonly serialNumber: string
  /** SHA-256 of the leaf's DER, lower-case hex. */
  readonly sha256: string
  /** Leaf first, then what a peer needs to reach the authority. */
  readonly certificatePem: string
  /** Epoch milliseconds: the leaf's notBefore. */
  readonly notBefore: number
  /** Epoch milliseconds: the moment from which the leaf is no longer valid. */
  readonly notAfter: number
  /** Epoch milliseconds: the moment from which some certificate of the path is no longer valid. */
  readonly expiresAt: number
  /** For which sides of a handshake its extended key usages and those of its issuers allow it (RFC 5280 §4.2.1.12); an SVID has both. */
  readonly sides: readonly HandshakeSide[]
  /** The private key as PKCS#8 PEM: a function, so that no log of this object ever shows it. */
  readonly exportPrivateKey: () => string
}

/** The SVID of this workload. */
export interface OwnSvid extends OwnCertificate {
  readonly spiffeId: SpiffeId
}
