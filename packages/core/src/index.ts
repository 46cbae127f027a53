/**
 * The guard: verified connections, principals and decisions, independent of frameworks. Re-exports what applications
 * need of `@countersign/spiffe` and `@countersign/authorization`.
 *
 * @module @countersign/core
 */
export {
  type AccessMatrix,
  allOf,
  anonymous,
  anyOf,
  authenticated,
  type Authorizer,
  type AuthorizerAnswer,
  type AuthorizerCache,
  type AuthorizerPrincipal,
  type AuthorizerQuestion,
  callers,
  createReplaceablePolicies,
  type CredentialKind,
  custom,
  type CustomTest,
  type Decision,
  type Denial,
  type DenialCode,
  type DenialReason,
  denyAll,
  type ExplainedLayer,
  type Explanation,
  hasAllAuthorities,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  type Layers,
  type LoggedRequest,
  type MatrixCell,
  type MatrixRoute,
  type MatrixRow,
  permitAll,
  perRoute,
  type Policy,
  type PolicyFrom,
  type PolicyHeader,
  type PolicyNotice,
  type PolicySet,
  type PolicySource,
  type PolicyTo,
  provenBy,
  type ReplaceablePolicies,
  type RequestFacts,
  type RequestHeaders,
  type Requirement,
  type Rule,
  serviceAccounts,
} from '@countersign/authorization'
export {
  type BundleFault,
  CaBundle,
  CertificateError,
  type CertificateErrorCode,
  commonName,
  ConfigurationError,
  type ConfigurationErrorCode,
  CountersignError,
  createMaterial,
  createReplaceableSource,
  type Crl,
  decodeCrl,
  dnsName,
  type FileLocation,
  fileSource,
  type FileSourceOptions,
  type MaterialInput,
  type OwnCertificate,
  type OwnSvid,
  parseBundleMap,
  parseTrustDomain,
  type ReplaceableSource,
  SourceError,
  type SourceErrorCode,
  type SourceNotice,
  SpiffeId,
  SpiffeIdError,
  type SpiffeIdErrorCode,
  staticSource,
  type SubjectFileSourceOptions,
  type SubjectIdentity,
  type SubjectIdentityOptions,
  type SubjectMaterial,
  type SubjectSource,
  X509Bundle,
  type X509Material,
  type X509Source,
} from '@countersign/spiffe'
export type { DecisionLine, DroppedCounts, DroppedLine, WouldBeLine } from './decision-log/decision-line.ts'
export { type DecisionLog, decisionLog } from './decision-log/decision-log.ts'
export type { DecisionLogOptions } from './decision-log/decision-log-options.ts'
export type { GuardTlsOptions, MinVersion } from './connection/tls-options.ts'
export { authorizer } from './authorizer/authorizer.ts'
export { CallError, type CallErrorCode, type CountersignErrorCode } from './errors.ts'
export { channels } from './events.ts'
export type {
  AllowedEvent,
  AuditEvent,
  AuthenticationEvent,
  CountersignEvent,
  DecisionContext,
  DecisionEvent,
  DenialEvent,
  DeniedEffect,
  ModeEvent,
  PolicyEvent,
  ReviewEvent,
  SourceEvent,
} from './events.ts'
export type { ExplainQuestion } from './explain-question.ts'
export type { MatrixQuestion, MatrixQuestionRoute } from './answer-matrix.ts'
export { type GuardSimulation, simulateGuard, type SimulateOptions } from './simulate-guard.ts'
export type { AuditEntry, AuditReport } from './audit-counts.ts'
export type {
  AnyPeerOptions,
  CredentialOptions,
  ForwardedOptions,
  JwtSvidOptions,
  ListedProxyOptions,
} from './credential/credential-options.ts'
export type { AssertedFormat, ForwardedFormat } from './credential/forwarded/forwarded-format.ts'
export type { ProxyOptions } from './credential/proxies.ts'
export type { Readiness, ReadinessEntry } from './migration/readiness-table.ts'
export type { GuardMigrationOptions, PermissiveOptions } from './mode-options.ts'
export { createGuard, type Guard } from './guard.ts'
export type { DenialBody, GuardOptions, PublicDenial } from './guard-options.ts'
export type { Health } from './health.ts'
export type { HostNames, ServerNames } from './outgoing/server-names.ts'
export type { VerifiedPeer } from './principal/create-principal.ts'
export type { Principal } from './principal/principal.ts'
export type { ProbeListener } from './probe-listener.ts'
export type { Probe, ProbeOptions } from './probe-options.ts'
export type { Finding, FindingId } from './review.ts'
