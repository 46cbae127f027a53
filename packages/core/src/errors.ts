import { CountersignError, type SpiffeErrorCode } from '@countersign/spiffe'
import type { ErrorDetails } from '@countersign/spiffe/internal'

/** Why a call of our own was not made, or has no answer that may be used. */
export type CallErrorCode =
  | 'server_unreachable'
  | 'server_untrusted'
  | 'server_unexpected'
  | 'own_certificate_missing'
  | 'call_unsuitable'

/** Every `code` that an error of Countersign carries. */
export type CountersignErrorCode = SpiffeErrorCode | CallErrorCode

/** What is known of a call that failed. */
interface CallDetails extends ErrorDetails {
  readonly reason: string
  readonly server: string
  readonly spiffeId?: string | undefined
}

/**
 * Why a call to a server failed before anything of its answer may be used. By `code`: nobody could be spoken to
 * (`server_unreachable`); who answered proved nothing, or no longer does (`server_untrusted`); it proved to be somebody
 * else than was called (`server_unexpected`); we have no valid certificate of our own to call with
 * (`own_certificate_missing`); it is no call that can be made this way, such as one through a proxy (`call_unsuitable`).
 */
export class CallError extends CountersignError<CallErrorCode> {
  override readonly name: string = 'CallError'
  /** The one thing that was wrong, a word to count by: the verifier's reason, such as `several_uri_sans`, or Node's code. */
  readonly reason: string
  /** Host and port, or the path of the socket, that was called. */
  readonly server: string
  /** What the server's certificate claims, where it could be read. */
  declare readonly spiffeId?: string

  constructor(code: CallErrorCode, message: string, { reason, server, spiffeId, ...details }: CallDetails) {
    super(code, message, details)
    this.reason = reason
    this.server = server
    if (spiffeId !== undefined) this.spiffeId = spiffeId
  }
}
