/**
 * Exported as `@countersign/spiffe/internal`. Only for Countersign's own packages: it can change in any version without
 * notice.
 */
export { isSameName } from './certificate/distinguished-name.ts'
export { splitDer } from './certificate/der.ts'
export { endOfValidity, maxChainBytes, maxChainCertificates } from './certificate/path-checks.ts'
export { type EncodedCertificate, parseCertificates, splitCertificates, toPem } from './certificate/pem.ts'
export { describeCertificate } from './certificate/describe.ts'
export { retainedBytes } from './certificate/retained-bytes.ts'
export type { ErrorDetails } from './errors.ts'
export { SubjectIdentity } from './subject/subject-identity.ts'
export { createSubjectTrust } from './subject/subject-trust.ts'
export type { X509Subject } from './subject/x509-subject.ts'
export { FileFollower } from './source/files/file-follower.ts'
export { parsePath, parsePollMs } from './source/files/file-plan.ts'
export { explainFailure } from './source/files/read-file.ts'
export { type FileListing, type ListedFile, readTogether } from './source/files/read-together.ts'
export { findPathInterests } from './source/files/watch-interests.ts'
export { ownCertificateOf } from './source/own-certificate.ts'
export {
  advanceSourceState,
  type SourceState,
  type SourceStateEvent,
  type SourceTransition,
  startSourceState,
} from './source/source-state.ts'
export { walkIssuers } from './svid/peer-chain.ts'
export { createServerTrust, type ExpectedServers, serverUnexpected } from './svid/server-trust.ts'
export { isX509Svid } from './svid/x509-svid.ts'
export { createSvidTrust } from './svid/svid-trust.ts'
export type { AuthoritySet, PeerClaim, PeerTrust, PeerTrustVerdict } from './trust/peer-trust.ts'
