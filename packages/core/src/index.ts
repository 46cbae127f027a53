export { channels } from './events.ts'
export type {
  AllowedEvent,
  AuthenticationEvent,
  CountersignEvent,
  DecisionEvent,
  DenialEvent,
  DeniedEffect,
  SourceEvent,
} from './events.ts'
export type { DenialAnswer } from './answer.ts'
export type { GuardTlsOptions, MinVersion } from './connection/tls-options.ts'
export { type Crl, decodeCrl } from './certificate/crl.ts'
export type { CompiledRequirement } from './decision/compile-requirement.ts'
export { parseFastifyRoute } from './decision/coverage.ts'
export type { Decision, Denial, DenialCode, DenialReason } from './decision/denial.ts'
export { missesCoveringRule } from './decision/empty-parameter.ts'
export type { ExplainedLayer, Explanation } from './decision/explain.ts'
export type { Reading } from './decision/reading.ts'
export {
  allOf,
  anyOf,
  authenticated,
  callers,
  custom,
  denyAll,
  hasAllAuthorities,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  permitAll,
  perRoute,
  serviceAccounts,
} from './decision/requirement.ts'
export { parseRequirement } from './decision/parse-requirement.ts'
export type { CustomTest, RequestFacts, RequestHeaders, Requirement } from './decision/requirement.ts'
export type { Rule } from './decision/rule.ts'
export {
  CallError,
  CertificateError,
  ConfigurationError,
  CountersignError,
  SourceError,
  SpiffeIdError,
} from './errors.ts'
export type {
  CallErrorCode,
  CertificateErrorCode,
  ConfigurationErrorCode,
  CountersignErrorCode,
  SourceErrorCode,
  SpiffeIdErrorCode,
} from './errors.ts'
export type { ExplainQuestion } from './explain-question.ts'
export type { AttachOptions } from './attach-options.ts'
export { createGuard, type Guard } from './guard.ts'
export type { DenialBody, GuardOptions, PublicDenial } from './guard-options.ts'
export type { GuardedRequest, RequestWay } from './guarded-request.ts'
export type { Health } from './health.ts'
export { isDenial } from './is-denial.ts'
export type { ReadWay, RecognizeListener } from './listener-way.ts'
export { createDialer, type Dial, type Dialer } from './outgoing/dialer.ts'
export { type DialerOptions, dialerOptionNames } from './outgoing/dialer-options.ts'
export type { HostNames, ServerNames } from './outgoing/server-names.ts'
export type { DialTlsOptions } from './outgoing/server-check.ts'
export type { VerifiedPeer } from './principal/create-principal.ts'
export type { Principal } from './principal/principal.ts'
export type { ProbeListener } from './probe-listener.ts'
export type { Probe, ProbeOptions } from './probe-options.ts'
export { createMaterial, type MaterialInput } from './source/create-material.ts'
export type { FileLocation, FileSourceOptions, SubjectFileSourceOptions } from './source/files/file-options.ts'
export { fileSource } from './source/files/file-source.ts'
export { createReplaceableSource, type ReplaceableSource } from './source/replaceable-source.ts'
export { staticSource } from './source/static-source.ts'
export { SpiffeId } from './spiffe-id/spiffe-id.ts'
export { parseTrustDomain } from './spiffe-id/trust-domain.ts'
export { applyCrls } from './trust/apply-crls.ts'
export { X509Bundle } from './trust/bundle.ts'
export type { BundleFault } from './trust/bundle-fault.ts'
export { parseBundleMap } from './trust/bundle-map.ts'
export { CaBundle } from './trust/ca-bundle.ts'
export { type FaultNotice, FaultNotices } from './trust/fault-notices.ts'
export { BundleReader, type ReadBundlesOptions } from './trust/read-bundles.ts'
export { commonName, dnsName, type SubjectIdentity, type SubjectIdentityOptions } from './subject/subject-identity.ts'
export type {
  NoticingSource,
  HandshakeSide,
  OwnCertificate,
  OwnSvid,
  SourceNotice,
  SubjectMaterial,
  SubjectSource,
  X509Material,
  X509Source,
} from './trust/x509-source.ts'
