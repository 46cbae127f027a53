import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { X509Bundle } from './bundle.ts'

/** Has the current X.509 material of this workload, wherever it comes from. */
export interface X509Source {
  /**
   * An immutable snapshot: the same object until something changes.
   *
   * @throws {SourceError} when there is none (any more)
   */
  readonly current: X509Material
  /** Calls the listener after each change of content, with the new material; gives the function that ends it. */
  onUpdate(listener: (material: X509Material) => void): () => void
  /** Ends all activity; afterwards `current` throws. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a workload needs to prove its SPIFFE ID and to verify others. */
export interface X509Material {
  readonly svid: OwnSvid
  /** By trust domain name. A bundle whose content did not change stays the same object from one material to the next. */
  readonly bundles: ReadonlyMap<string, X509Bundle>
}

/** The SVID of this workload: the one kind of SVID that comes with a private key. */
export interface OwnSvid {
  readonly spiffeId: SpiffeId
  readonly serialNumber: string
  /** SHA-256 of the leaf's DER, lower-case hex. */
  readonly sha256: string
  /** Leaf first, then what a peer needs to reach the authority. */
  readonly certificatePem: string
  /** Epoch milliseconds: the moment from which some certificate of the path is no longer valid. */
  readonly expiresAt: number
  /** The private key as PKCS#8 PEM: a function, so that no log of this object ever shows it. */
  readonly exportPrivateKey: () => string
}
