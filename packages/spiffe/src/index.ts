/**
 * SPIFFE IDs, bundles, verified X.509-SVIDs and sources of certificates. Works on its own.
 *
 * @module @countersign/spiffe
 */
export type { Certificate } from './certificate/certificate.ts'
export { type Crl, decodeCrl } from './certificate/crl.ts'
export {
  CertificateError,
  type CertificateErrorCode,
  ConfigurationError,
  type ConfigurationErrorCode,
  CountersignError,
  SourceError,
  type SourceErrorCode,
  type SpiffeErrorCode,
  SpiffeIdError,
  type SpiffeIdErrorCode,
} from './errors.ts'
export { createMaterial, type MaterialInput } from './source/create-material.ts'
export type { FileLocation, FileSourceOptions, SubjectFileSourceOptions } from './source/files/file-options.ts'
export { fileSource } from './source/files/file-source.ts'
export { createReplaceableSource, type ReplaceableSource } from './source/replaceable-source.ts'
export { staticSource } from './source/static-source.ts'
export { SpiffeId } from './spiffe-id/spiffe-id.ts'
export { parseTrustDomain } from './spiffe-id/trust-domain.ts'
export { commonName, dnsName, type SubjectIdentity, type SubjectIdentityOptions } from './subject/subject-identity.ts'
export { readPeerChain } from './svid/peer-chain.ts'
export { type SvidClaim, type SvidVerdict, verifySvid } from './svid/verify-svid.ts'
export type { X509Svid } from './svid/x509-svid.ts'
export { applyCrls } from './trust/apply-crls.ts'
export { CrlReader } from './trust/crl-reader.ts'
export { X509Bundle } from './trust/bundle.ts'
export type { BundleFault } from './trust/bundle-fault.ts'
export { parseBundleMap } from './trust/bundle-map.ts'
export { CaBundle } from './trust/ca-bundle.ts'
export { type FaultNotice, FaultNotices } from './trust/fault-notices.ts'
export { BundleReader, type ReadBundlesOptions } from './trust/read-bundles.ts'
export type {
  HandshakeSide,
  NoticingSource,
  OwnCertificate,
  OwnSvid,
  SourceNotice,
  SubjectMaterial,
  SubjectSource,
  X509Material,
  X509Source,
} from './trust/x509-source.ts'
