/** Why text is no SPIFFE ID or no trust domain name; each code names one clause of SPIFFE-ID §2. */
export type SpiffeIdErrorCode =
  | 'empty'
  | 'bad_scheme'
  | 'missing_trust_domain'
  | 'bad_trust_domain_char'
  | 'trust_domain_too_long'
  | 'bad_path_char'
  | 'empty_segment'
  | 'dot_segment'
  | 'trailing_slash'
  | 'too_long'

/** Why bytes are no certificate, revocation list, key or bundle that Countersign works with. */
export type CertificateErrorCode =
  | 'certificate_missing'
  | 'certificate_malformed'
  | 'certificate_trailing_bytes'
  | 'certificate_unsupported'
  | 'crl_malformed'
  | 'crl_unsupported'
  | 'key_malformed'
  | 'key_unsupported'
  | 'key_mismatch'
  | 'bundle_empty'
  | 'bundle_malformed'
  | 'bundle_too_large'
  | 'bundle_revoked'
  | 'passphrase_missing'
  | 'passphrase_wrong'
  | 'key_store_malformed'
  | 'key_store_unsupported'
  | 'authority_unusable'
  | 'svid_unusable'

/** Why a source of X.509 material has nothing to give, or has refused an update. */
export type SourceErrorCode =
  | 'source_closed'
  | 'source_empty'
  | 'source_expired'
  | 'update_refused'
  | 'bundle_revoked'
  | 'file_missing'
  | 'file_forbidden'
  | 'file_unsuitable'
  | 'files_unstable'
  | 'key_readable_by_all'
  | 'certificate_long_lived'
  | 'spiffe_id_changed'
  | 'watching_failed'
  | 'agent_unreachable'
  | 'agent_denied'
  | 'agent_refused'
  | 'agent_unsupported'
  | 'agent_failed'
  | 'message_malformed'
  | 'svid_withdrawn'

/** Why a configuration does not start. */
export type ConfigurationErrorCode =
  | 'option_unknown'
  | 'option_invalid'
  | 'rule_invalid'
  | 'rule_unreachable'
  | 'route_uncovered'
  | 'server_unsuitable'
  | 'registration_invalid'

/** Every `code` that an error of this package carries. */
export type SpiffeErrorCode = SpiffeIdErrorCode | CertificateErrorCode | SourceErrorCode | ConfigurationErrorCode

/** What an error tells besides its message: the offending value (never a key or a whole certificate) and the cause. */
export interface ErrorDetails {
  readonly value?: unknown
  readonly cause?: unknown
}

/** The base of every error that Countersign throws. A denied request is a `Decision`, never an error. */
export class CountersignError<Code extends string = SpiffeErrorCode> extends Error {
  // Written out in each class, because minifiers rename classes.
  override readonly name: string = 'CountersignError'
  /** What went wrong, from a closed union: branch on this, never on the message. */
  readonly code: Code
  /** The value that was found, where it may be shown. */
  readonly value: unknown

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.value = details.value
  }
}

/** Thrown where text is expected to be a SPIFFE ID or a trust domain name and is not (SPIFFE-ID §2). */
export class SpiffeIdError extends CountersignError<SpiffeIdErrorCode> {
  override readonly name: string = 'SpiffeIdError'
}

/** Thrown where a certificate, a revocation list, a key or a bundle is expected and the bytes are none, or break a limit. */
export class CertificateError extends CountersignError<CertificateErrorCode> {
  override readonly name: string = 'CertificateError'
}

/** Thrown by a source that has no X.509 material (any more). */
export class SourceError extends CountersignError<SourceErrorCode> {
  override readonly name: string = 'SourceError'
}

/** Thrown at start by a configuration that cannot be what its author meant; names option, value and remedy. */
export class ConfigurationError extends CountersignError<ConfigurationErrorCode> {
  override readonly name: string = 'ConfigurationError'
}
