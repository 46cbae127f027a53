/** Identifies why a text is not a SPIFFE ID or not a trust domain name. Each code is for one clause of SPIFFE-ID §2. */
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

/** Identifies why a certificate, revocation list, key or bundle was rejected. */
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

/** Identifies why a source of X.509 material has no material, or why it rejected an update. */
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

/** Identifies why a configuration was rejected at startup. */
export type ConfigurationErrorCode =
  | 'option_unknown'
  | 'option_invalid'
  | 'rule_invalid'
  | 'rule_unreachable'
  | 'route_uncovered'
  | 'server_unsuitable'
  | 'registration_invalid'

/** Every `code` that an error of this package can have. */
export type SpiffeErrorCode = SpiffeIdErrorCode | CertificateErrorCode | SourceErrorCode | ConfigurationErrorCode

/**
 * The properties of an error besides its message: the offending value (never a key or a whole certificate), its place in
 * the configuration, and the cause.
 */
export interface ErrorDetails {
  readonly value?: unknown
  readonly where?: string
  readonly cause?: unknown
}

/** The base class of all errors that Countersign throws. A denied request is a `Decision`, never an error. */
export class CountersignError<Code extends string = SpiffeErrorCode> extends Error {
  // Each class sets its own name, because minifiers rename classes.
  override readonly name: string = 'CountersignError'
  /** What went wrong, from a closed union. Branch on this, never on the message. */
  readonly code: Code
  /** The value that was found, if it is safe to show. */
  readonly value: unknown

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.value = details.value
  }
}

/** Thrown if a text is not a valid SPIFFE ID or trust domain name (SPIFFE-ID §2). */
export class SpiffeIdError extends CountersignError<SpiffeIdErrorCode> {
  override readonly name: string = 'SpiffeIdError'
}

/** Thrown if a certificate, revocation list, key or bundle is malformed, unsupported or above a limit. */
export class CertificateError extends CountersignError<CertificateErrorCode> {
  override readonly name: string = 'CertificateError'
}

/** Thrown by a source that has no X.509 material, or no longer has any. */
export class SourceError extends CountersignError<SourceErrorCode> {
  override readonly name: string = 'SourceError'
}

/** Thrown at startup if a configuration is invalid. The message names the option, the value and the fix. */
export class ConfigurationError extends CountersignError<ConfigurationErrorCode> {
  override readonly name: string = 'ConfigurationError'
  /** The place that the message begins with, such as `rules[3].path`, if it is known. */
  readonly where: string | undefined

  constructor(code: ConfigurationErrorCode, message: string, details: ErrorDetails = {}) {
    super(code, message, details)
    this.where = details.where
  }
}
