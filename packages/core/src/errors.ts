import { CountersignError, type SpiffeErrorCode } from '@countersign/spiffe'
import type { ErrorDetails } from '@countersign/spiffe/internal'

/** Why an outgoing call was not made, or why its response must not be used. */
export type CallErrorCode =
  | 'server_unreachable'
  | 'server_untrusted'
  | 'server_unexpected'
  | 'own_certificate_missing'
  | 'call_unsuitable'

/** Every `code` that a Countersign error can have. */
export type CountersignErrorCode = SpiffeErrorCode | CallErrorCode

/** Details of a failed call. */
interface CallDetails extends ErrorDetails {
  readonly reason: string
  readonly server: string
  readonly spiffeId?: string | undefined
}

/**
 * Reports a call that failed before any of its response may be used. The `code` identifies the cause:
 *
 * - `server_unreachable`: no connection to the server was possible.
 * - `server_untrusted`: the server's certificate is not trusted, or no longer is.
 * - `server_unexpected`: the server is trusted but is not one that was to be called.
 * - `own_certificate_missing`: we have no valid certificate of our own to call with.
 * - `call_unsuitable`: the call is not supported, such as one through a proxy.
 */
export class CallError extends CountersignError<CallErrorCode> {
  override readonly name: string = 'CallError'
  /**
   * A short reason, suitable as a metric label: the verifier's reason, such as `several_uri_sans`, or Node's error
   * code.
   */
  readonly reason: string
  /** The host and port, or the socket path, that was called. */
  readonly server: string
  /** The SPIFFE ID that the server's certificate claims, if it could be read. */
  declare readonly spiffeId?: string

  constructor(code: CallErrorCode, message: string, { reason, server, spiffeId, ...details }: CallDetails) {
    super(code, message, details)
    this.reason = reason
    this.server = server
    if (spiffeId !== undefined) this.spiffeId = spiffeId
  }
}
