/**
 * Issues certificates for tests, and sends requests as any caller.
 *
 * @module @countersign/testkit
 */
export { Authority, createAuthority } from './authority.ts'
export type { AuthorityFault } from './authority-faults.ts'
export type { AuthorityOptions } from './authority-options.ts'
export type {
  AlternativeName,
  DistinguishedNames,
  ExtendedKeyUsageName,
  ExtraExtension,
  KeyUsage,
  NameConstraints,
} from './blueprint.ts'
export { Caller, type InjectableApp, type InjectOptions, type InjectResponse } from './caller.ts'
export type { FetchInit } from './exchange.ts'
export type { JwtAuthorityKey } from './jwt-authority.ts'
export type { JwtFault } from './jwt-faults.ts'
export type { IssueJwtOptions, TestJwtSvid } from './jwt-svid.ts'
export { createKey, type KeyType, type SignatureHash, TestKey } from './key.ts'
export { Peer, type PeerOptions } from './peer.ts'
export { type ListeningApp, Running, type ServableApp, serve, type ServingGuard } from './serve.ts'
export type { IssueOptions, TestSvid } from './svid.ts'
export type { SvidFault } from './svid-faults.ts'
export type { BundleAuthority, SourceOptions, SourceReplacement, TestSource } from './test-source.ts'
